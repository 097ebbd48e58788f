//! The help: how the add-in comes into Outlook.
//!
//! After <https://learn.microsoft.com/office/dev/add-ins/outlook/sideload-outlook-add-ins-for-testing> and
//! <https://learn.microsoft.com/microsoft-365/admin/manage/test-and-deploy-microsoft-365-apps>.

use super::Words;

pub const HELP: Words = Words::new("Help", "Hilfe");
pub const HELP_TITLE: Words = Words::new("Add Tandem to Outlook", "Tandem in Outlook aufnehmen");
pub const HELP_LEAD: Words = Words::new(
    "Tandem is an add-in: Outlook reads its manifest once, and shows the sidebar from this server from then on. There is \
     nothing to install on your computer.",
    "Tandem ist ein Add-In: Outlook liest einmal sein Manifest und zeigt von da an die Seitenleiste von diesem Server. Auf \
     Ihrem Computer ist nichts zu installieren.",
);
pub const HELP_ADDRESS: Words = Words::new("The manifest of this server", "Das Manifest dieses Servers");
pub const HELP_ADDRESS_LEAD: Words = Words::new(
    "Some ways below ask for the address, some for the file.",
    "Manche der Wege unten verlangen die Adresse, manche die Datei.",
);
pub const HELP_ADDRESS_LABEL: Words = Words::new("Address, to be copied", "Adresse, zum Kopieren");
pub const HELP_DOWNLOAD: Words = Words::new("Save the file", "Datei speichern");

pub const HELP_WEB: Words = Words::new(
    "Outlook on the web, and the new Outlook for Windows",
    "Outlook im Web und das neue Outlook für Windows",
);
pub const HELP_WEB_STEPS: [Words; 4] = [
    Words::new(
        "Save the file of the manifest, above.",
        "Speichern Sie oben die Datei des Manifests.",
    ),
    Words::new(
        "Open https://aka.ms/olksideload and sign in: after a few seconds the window “Add-Ins for Outlook” opens.",
        "Öffnen Sie https://aka.ms/olksideload und melden Sie sich an: Nach einigen Sekunden öffnet sich das Fenster \
         „Add-Ins für Outlook“.",
    ),
    Words::new(
        "Choose “My add-ins”. Under “Custom Addins”: “Add a custom add-in”, then “Add from File …”.",
        "Wählen Sie „Meine Add-Ins“. Unter „Benutzerdefinierte Add-Ins“: „Benutzerdefiniertes Add-In hinzufügen“, dann \
         „Aus Datei hinzufügen …“.",
    ),
    Words::new(
        "Choose the saved file and confirm with “Install”.",
        "Wählen Sie die gespeicherte Datei und bestätigen Sie mit „Installieren“.",
    ),
];

pub const HELP_CLASSIC: Words = Words::new("Classic Outlook for Windows", "Klassisches Outlook für Windows");
pub const HELP_CLASSIC_STEPS: [Words; 3] = [
    Words::new(
        "With a mailbox in Microsoft 365: do the steps above in a browser. Classic Outlook takes the add-in over.",
        "Mit einem Postfach in Microsoft 365: Gehen Sie die Schritte oben in einem Browser. Das klassische Outlook \
         übernimmt das Add-In.",
    ),
    Words::new(
        "With a mailbox on your company’s Exchange: “File”, “Manage Add-ins” opens Outlook on the web. There: “+”, “Add \
         from URL” with the address above, or “Add from file”.",
        "Mit einem Postfach auf dem Exchange Ihrer Firma: „Datei“, „Add-Ins verwalten“ öffnet Outlook im Web. Dort: „+“, \
         „Über URL hinzufügen“ mit der Adresse oben, oder „Aus Datei hinzufügen“.",
    ),
    Words::new(
        "Restart Outlook. It can take a while until the button is there.",
        "Starten Sie Outlook neu. Es kann eine Weile dauern, bis die Schaltfläche da ist.",
    ),
];

pub const HELP_MAC: Words = Words::new("Outlook for Mac", "Outlook für Mac");
pub const HELP_MAC_STEPS: [Words; 2] = [
    Words::new(
        "With a mailbox in Microsoft 365: do the steps for Outlook on the web in a browser, then restart Outlook.",
        "Mit einem Postfach in Microsoft 365: Gehen Sie die Schritte für Outlook im Web in einem Browser und starten Sie \
         dann Outlook neu.",
    ),
    Words::new(
        "Else: open a mail, “Get Add-ins” (or “…”), “My add-ins”, “Add a custom add-in”, “Add from URL …” or “Add from \
         File …”.",
        "Sonst: Öffnen Sie eine E-Mail, „Add-Ins abrufen“ (oder „…“), „Meine Add-Ins“, „Benutzerdefiniertes Add-In \
         hinzufügen“, „Von URL hinzufügen …“ oder „Aus Datei hinzufügen …“.",
    ),
];

pub const HELP_MOBILE: Words = Words::new("Outlook on a phone", "Outlook auf dem Telefon");
pub const HELP_MOBILE_LEAD: Words = Words::new(
    "For mailboxes in Microsoft 365: once it is added on a computer, Tandem stands under “…” or “Apps” of a mail that you \
     read.",
    "Für Postfächer in Microsoft 365: Ist Tandem am Computer aufgenommen, steht es unter „…“ oder „Apps“ einer E-Mail, die \
     Sie lesen.",
);

pub const HELP_COMPANY: Words = Words::new(
    "For administrators: Microsoft 365",
    "Für Administratoren: Microsoft 365",
);
pub const HELP_COMPANY_LEAD: Words = Words::new(
    "So that nobody has to add it by themselves.",
    "Damit es niemand selbst aufnehmen muss.",
);
pub const HELP_COMPANY_STEPS: [Words; 5] = [
    Words::new(
        "Open the admin center, https://admin.microsoft.com: “Settings”, “Integrated apps”.",
        "Öffnen Sie das Admin Center, https://admin.microsoft.com: „Einstellungen“, „Integrierte Apps“.",
    ),
    Words::new(
        "“Upload custom apps”; as the type choose “Office Add-in”.",
        "„Benutzerdefinierte Apps hochladen“; als Typ wählen Sie „Office-Add-In“.",
    ),
    Words::new(
        "“Provide link to manifest file”: the address above. “Validate”.",
        "„Link zur Manifestdatei angeben“: die Adresse oben. „Überprüfen“.",
    ),
    Words::new(
        "Choose who gets it: a few people first, later a group or everybody.",
        "Wählen Sie, wer es bekommt: erst einige Leute, später eine Gruppe oder alle.",
    ),
    Words::new(
        "“Deploy”. Until it stands in every Outlook it can take up to 24 hours, with classic Outlook longer.",
        "„Bereitstellen“. Bis es in jedem Outlook steht, kann es bis zu 24 Stunden dauern, im klassischen Outlook länger.",
    ),
];

pub const HELP_PREMISES: Words = Words::new(
    "For administrators: Exchange on your own servers",
    "Für Administratoren: Exchange auf eigenen Servern",
);
pub const HELP_PREMISES_LEAD: Words = Words::new(
    "Exchange 2016 or newer. The Exchange server has to reach this server, and the computers of the users Microsoft’s \
     server of Office.js.",
    "Exchange 2016 oder neuer. Der Exchange-Server muss diesen Server erreichen, und die Computer der Benutzer den Server \
     von Microsoft, der Office.js liefert.",
);
pub const HELP_PREMISES_STEPS: [Words; 3] = [
    Words::new(
        "In the Exchange admin center: “organization”, “add-ins”.",
        "Im Exchange Admin Center: „Organisation“, „Add-Ins“.",
    ),
    Words::new(
        "“+”, “Add from URL”: the address above.",
        "„+“, „Aus URL hinzufügen“: die Adresse oben.",
    ),
    Words::new(
        "Edit the new entry: make it available, and choose whether it is on by default.",
        "Bearbeiten Sie den neuen Eintrag: Stellen Sie ihn bereit, und wählen Sie, ob er von vornherein an ist.",
    ),
];
pub const HELP_PREMISES_SHELL: Words = Words::new(
    "Or in the Exchange Management Shell:",
    "Oder in der Exchange-Verwaltungsshell:",
);

pub const HELP_AFTER: Words = Words::new("Then", "Danach");
pub const HELP_AFTER_STEPS: [Words; 3] = [
    Words::new(
        "Open a mail or an appointment and choose “Tandem”; in newer Outlooks it stands behind “Apps”.",
        "Öffnen Sie eine E-Mail oder einen Termin und wählen Sie „Tandem“; in neueren Outlooks steht es hinter „Apps“.",
    ),
    Words::new(
        "Sign in with Salesforce, then connect your mailbox.",
        "Melden Sie sich mit Salesforce an und verbinden Sie dann Ihr Postfach.",
    ),
    Words::new(
        "The pin in the sidebar’s corner keeps it open from mail to mail.",
        "Die Stecknadel in der Ecke der Seitenleiste hält sie von E-Mail zu E-Mail offen.",
    ),
];

pub const HELP_TROUBLE: Words = Words::new("If it does not work", "Wenn es nicht klappt");
pub const HELP_TROUBLE_LIST: [Words; 4] = [
    Words::new(
        "The sidebar stays empty: open the address above in a browser on the same computer. If that warns of the \
         certificate, Outlook shows nothing: the computer has to trust it.",
        "Die Seitenleiste bleibt leer: Öffnen Sie die Adresse oben in einem Browser auf demselben Computer. Wenn er vor dem \
         Zertifikat warnt, zeigt Outlook nichts: Der Computer muss ihm vertrauen.",
    ),
    Words::new(
        "“Add a custom add-in” is missing: your administrator has switched it off, and has to deploy Tandem.",
        "„Benutzerdefiniertes Add-In hinzufügen“ fehlt: Ihr Administrator hat es abgeschaltet und muss Tandem bereitstellen.",
    ),
    Words::new(
        "There is no button: restart Outlook, and look behind “…” or “Apps”. Accounts by IMAP or POP have no add-ins.",
        "Es gibt keine Schaltfläche: Starten Sie Outlook neu und sehen Sie hinter „…“ oder „Apps“ nach. Konten über IMAP \
         oder POP haben keine Add-Ins.",
    ),
    Words::new(
        "After an update the button is the old one: remove the add-in and add it again, or wait for a day.",
        "Nach einer Aktualisierung ist die Schaltfläche die alte: Entfernen Sie das Add-In und nehmen Sie es neu auf, oder \
         warten Sie einen Tag.",
    ),
];
