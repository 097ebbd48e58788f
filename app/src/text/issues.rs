//! Why an item is not in step, and what can be done.

use tandem_types::{IssueChoice, IssueCode, IssueCure};

use super::states::place;
use super::time::number;
use super::{Lang, Words, say, spoken};

pub const ISSUES_TITLE: Words = Words::new("Needs a look", "Bitte ansehen");
pub const ISSUES_EMPTY: Words = Words::new(
    "Nothing needs a look: every item in scope is in step.",
    "Nichts anzusehen: Alles, was abgeglichen wird, ist gleich.",
);
pub const PICK_LEGEND: Words = Words::new("Which one is the same?", "Welcher ist derselbe?");
pub const PAIR: Words = Words::new("Pair", "Verknüpfen");
pub const LINK_LABEL: Words = Words::new(
    "Id or link of a Salesforce record",
    "Id oder Link eines Datensatzes in Salesforce",
);

/// Why an item is not synced.
pub fn issue(code: IssueCode) -> &'static str {
    match code {
        IssueCode::LastNameMissing => say(
            "It has no last name, and Salesforce wants one. Add it in your mailbox.",
            "Es fehlt der Nachname, und Salesforce verlangt einen. Tragen Sie ihn in Ihrem Postfach ein.",
        ),
        IssueCode::SeveralMatches => say(
            "Several items could be the same one. Tandem does not guess: choose the right one, merge \
             them, or make them differ.",
            "Mehrere Einträge könnten derselbe sein. Tandem rät nicht: Wählen Sie den richtigen, führen Sie sie \
             zusammen, oder machen Sie sie verschieden.",
        ),
        IssueCode::LeadExists => say(
            "A lead in Salesforce has this e-mail address. Convert it, and the contact links itself.",
            "Ein Lead in Salesforce hat diese E-Mail-Adresse. Konvertieren Sie ihn, dann verknüpft sich der Kontakt.",
        ),
        IssueCode::DeletedInMailbox => say(
            "You deleted it in your mailbox. It is still in Salesforce.",
            "Sie haben es in Ihrem Postfach gelöscht. In Salesforce ist es noch da.",
        ),
        IssueCode::FateUnknown => say(
            "It is gone from view on one side, but nothing proves that it was deleted. Nothing was \
             touched.",
            "Auf einer Seite ist es nicht mehr zu sehen, aber nichts beweist, dass es gelöscht wurde. Nichts wurde \
             angerührt.",
        ),
        IssueCode::Conflict => say(
            "It was changed on both sides, differently. Both values are still there.",
            "Es wurde auf beiden Seiten verschieden geändert. Beide Werte sind noch da.",
        ),
        IssueCode::Differences => say(
            "It was on both sides before the first sync, and these fields differ. Neither was \
             overwritten.",
            "Es war vor dem ersten Abgleich auf beiden Seiten, und diese Felder sind verschieden. Keines wurde \
             überschrieben.",
        ),
        IssueCode::CompanyChanged => say(
            "The company was changed in your mailbox. Move it to that account in Salesforce.",
            "In Ihrem Postfach wurde die Firma geändert. Ordnen Sie den Kontakt in Salesforce dem anderen Account zu.",
        ),
        IssueCode::Refused => say("The other side refused it.", "Die andere Seite hat es abgelehnt."),
        IssueCode::DuplicateRule => say(
            "A duplicate rule of your Salesforce organisation refused it.",
            "Eine Duplikatregel Ihrer Salesforce-Organisation hat es abgelehnt.",
        ),
        IssueCode::NoPermission => say(
            "You have no permission for this record or one of its fields.",
            "Für diesen Datensatz oder eines seiner Felder fehlt Ihnen das Recht.",
        ),
        IssueCode::CreateInDoubt => say(
            "It may have been created already, and several items could be it. None was taken: choose the right one.",
            "Vielleicht wurde es schon angelegt, und mehrere Einträge könnten es sein. Keiner wurde genommen: Wählen Sie \
             den richtigen.",
        ),
        IssueCode::OverLimit => say(
            "Your mailbox has reached the limit of synced contacts.",
            "Ihr Postfach hat die Grenze für abgeglichene Kontakte erreicht.",
        ),
        IssueCode::MergedIntoLinked => say(
            "It was merged in Salesforce into a record that is linked to another contact.",
            "Es wurde in Salesforce mit einem Datensatz zusammengeführt, der mit einem anderen Kontakt verknüpft ist.",
        ),
        IssueCode::ReplacedUnseen => say(
            "A value was changed there in the very moment of writing. The old one is kept in the \
             journal.",
            "Genau im Augenblick des Schreibens wurde dort ein Wert geändert. Der alte steht noch im Journal.",
        ),
        IssueCode::EventTooLong => say(
            "It lasts longer than the 14 days that Salesforce takes. Shorten it, or split it.",
            "Es dauert länger als die 14 Tage, die Salesforce zulässt. Kürzen oder teilen Sie es.",
        ),
        IssueCode::EndBeforeStart => say(
            "It ends before it starts. Correct its times in your calendar.",
            "Es endet, bevor es beginnt. Berichtigen Sie die Zeiten in Ihrem Kalender.",
        ),
        IssueCode::ZoneUnknown => say(
            "Nobody knows its time zone, so nobody can tell when it is. Choose another one in your calendar.",
            "Seine Zeitzone ist unbekannt, also auch, wann es ist. Wählen Sie in Ihrem Kalender eine andere.",
        ),
        IssueCode::RichBody => say(
            "Its text has pictures, tables or links that plain text would destroy. Change the text in Outlook.",
            "Der Text hat Bilder, Tabellen oder Links, die einfacher Text zerstören würde. Ändern Sie ihn in Outlook.",
        ),
        IssueCode::RecurringTask => say(
            "Salesforce cannot hold how a task recurs, so only the one that is open now is there.",
            "Salesforce kann nicht festhalten, wie sich eine Aufgabe wiederholt. Dort ist nur die, die jetzt offen ist.",
        ),
        IssueCode::TooLarge => say(
            "It is larger than what is carried over. Save the parts that matter by hand.",
            "Es ist größer, als übertragen wird. Speichern Sie die wichtigen Teile von Hand.",
        ),
        IssueCode::AttachmentLeftOut => say(
            "An attachment stayed behind: too large, of a kind that is not allowed, or refused. Everything else is there.",
            "Ein Anhang blieb zurück: zu groß, nicht zugelassen oder abgelehnt. Alles andere ist da.",
        ),
        IssueCode::Encrypted => say(
            "It is encrypted or protected, so it cannot be read and was not saved.",
            "Es ist verschlüsselt oder geschützt. Darum ist es nicht zu lesen und wurde nicht gespeichert.",
        ),
        IssueCode::Confidential => say(
            "It is marked private, personal or confidential. Give it the category Salesforce to save it all the same.",
            "Es ist als privat, persönlich oder vertraulich gekennzeichnet. Geben Sie ihm die Kategorie „Salesforce“, um \
             es trotzdem zu speichern.",
        ),
        IssueCode::Unreadable => say(
            "The mail server did not show it. Open it in Outlook to see whether it is whole, then try again.",
            "Der Mailserver hat es nicht gezeigt. Sehen Sie in Outlook nach, ob es heil ist, und versuchen Sie es dann \
             noch einmal.",
        ),
        IssueCode::StorageFull => say(
            "Your organisation’s storage in Salesforce is full. Your administrator can make room; then try again.",
            "Der Speicher Ihrer Organisation in Salesforce ist voll. Ihr Administrator kann Platz schaffen; versuchen Sie \
             es dann noch einmal.",
        ),
        IssueCode::UnknownValue => say(
            "It has a status or a priority that your organisation does not know. Your administrator can say which one is \
             meant.",
            "Es hat einen Status oder eine Priorität, die Ihre Organisation nicht kennt. Ihr Administrator kann \
             festlegen, was gemeint ist.",
        ),
        IssueCode::EmailsUnavailable => say(
            "Your organisation keeps no e-mails, or you may not. Your administrator can switch that on.",
            "Ihre Organisation bewahrt keine E-Mails auf, oder Sie dürfen es nicht. Ihr Administrator kann das \
             einschalten.",
        ),
        IssueCode::OtherSyncTool => say(
            "Another tool syncs the same mailbox or user, and two of them fight. Switch one of them off.",
            "Ein anderes Programm gleicht dasselbe Postfach oder denselben Benutzer ab, und die zwei streiten sich. \
             Schalten Sie eines ab.",
        ),
        IssueCode::NothingMoved => say(
            "Nothing was carried over for a day, although there were changes on both sides. Tell your administrator.",
            "Seit einem Tag wurde nichts übertragen, obwohl sich auf beiden Seiten etwas geändert hat. Sagen Sie es Ihrem \
             Administrator.",
        ),
        IssueCode::NoMatch => say(
            "Nobody in Salesforce has one of its addresses. Add the person there, or choose where it belongs.",
            "Niemand in Salesforce hat eine seiner Adressen. Legen Sie die Person dort an, oder wählen Sie, wohin es \
             gehört.",
        ),
        IssueCode::TooManyPeople => say(
            "It has more people than Salesforce can hold. The first ones are there.",
            "Es hat mehr Teilnehmer, als Salesforce aufnehmen kann. Die ersten sind da.",
        ),
        IssueCode::ChangeInOutlook => say(
            "Microsoft would send mail to other people, or lets only you do it. Change it in Outlook.",
            "Microsoft würde anderen Leuten E-Mails senden, oder lässt es nur Sie selbst tun. Ändern Sie es in Outlook.",
        ),
    }
}

pub fn cure(cure: IssueCure) -> &'static str {
    match cure {
        IssueCure::Retry => say("Try again", "Noch einmal versuchen"),
        IssueCure::Ignore => say("Ignore", "Nicht beachten"),
        IssueCure::BringBack => say("Bring back", "Zurückholen"),
        IssueCure::DeleteThere => say("Delete in Salesforce too", "Auch in Salesforce löschen"),
        IssueCure::PickMatch => say("This is the same", "Das ist derselbe"),
        IssueCure::KeepMine => say("Keep mine", "Meinen Wert behalten"),
        IssueCure::KeepTheirs => say("Keep theirs", "Den anderen behalten"),
        IssueCure::LinkTo => say("Save it there", "Dort speichern"),
        IssueCure::OpenInSalesforce => say("Open in Salesforce", "In Salesforce öffnen"),
        IssueCure::OpenInOutlook => say("Open in Outlook", "In Outlook öffnen"),
    }
}

/// `Try again: Ada Lovelace`, for screen readers.
pub fn cure_name(of: IssueCure, title: &str) -> String {
    format!("{}: {title}", cure(of))
}

/// `Pair: Ada Lovelace`, for screen readers. It begins as the button reads, for those who speak to their computer.
pub fn pair_name(title: &str) -> String {
    format!("{}: {title}", PAIR.get())
}

/// A further page of issues exists.
pub fn issues_more(shown: usize, total: u32) -> Option<String> {
    let hidden = total.checked_sub(u32::try_from(shown).ok()?)?;
    (hidden > 0).then(|| match spoken() {
        Lang::En => format!("and {} more", number(hidden)),
        Lang::De => format!("und {} weitere", number(hidden)),
    })
}

/// What a candidate for a pair is called, and where it is.
pub fn choice(choice: &IssueChoice) -> String {
    let place = place(choice.side);
    if choice.label.is_empty() {
        // The end differs most.
        let skip = choice.id.chars().count().saturating_sub(8);
        let tail: String = choice.id.chars().skip(skip).collect();
        match spoken() {
            Lang::En => format!("The one {place} whose id ends in {tail}"),
            Lang::De => format!("Der {place}, dessen Id auf {tail} endet"),
        }
    } else {
        format!("{}, {place}", choice.label)
    }
}
