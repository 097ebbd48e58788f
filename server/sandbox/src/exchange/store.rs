//! Mailboxes, folders, items, and what clients remember of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Fail;
use super::content::{Around, Class, Content, Person as Somebody};
use super::props::{Key, MAPI_TYPES};
use super::zones::Zone;
use crate::company::{Company, Person, User};

/// Failed logons in a row before an account locks.
pub(crate) const LOCK_AFTER: u32 = 5;
/// Sync states that a mailbox remembers; older ones have expired.
const STATES_KEPT: usize = 400;
const EVENTS_KEPT: usize = 100_000;

/// Base64 of bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Makes opaque texts that are the same for the same seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids(pub(crate) u64);

impl Ids {
    fn bytes(self, what: &str, numbers: &[u64], length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 32);
        let mut block = 0_u32;
        while out.len() < length {
            let mut hash = Sha256::new();
            hash.update(self.0.to_be_bytes());
            hash.update(what.as_bytes());
            for n in numbers {
                hash.update(n.to_be_bytes());
            }
            hash.update(block.to_be_bytes());
            out.extend_from_slice(&hash.finalize());
            block += 1;
        }
        out.truncate(length);
        out
    }

    /// An opaque text of base64 letters with that beginning.
    pub(crate) fn opaque(self, start: &str, what: &str, numbers: &[u64], length: usize) -> String {
        let mut bytes = self.bytes(what, numbers, length);
        let begin = STANDARD.decode(start).unwrap_or_default();
        let n = begin.len().min(length);
        bytes[..n].copy_from_slice(&begin[..n]);
        STANDARD.encode(bytes)
    }

    /// An opaque text that carries three numbers.
    pub(crate) fn sealed(self, start: &str, what: &str, index: u64, numbers: [u64; 3]) -> String {
        let pad = self.bytes(what, &[index], 24);
        let mut bytes = self.bytes(what, &[index, numbers[0], numbers[1], numbers[2]], 96);
        let begin = STANDARD.decode(start).unwrap_or_default();
        bytes[..begin.len()].copy_from_slice(&begin);
        for (n, number) in numbers.iter().enumerate() {
            for (i, b) in number.to_be_bytes().iter().enumerate() {
                bytes[40 + n * 8 + i] = b ^ pad[n * 8 + i];
            }
        }
        STANDARD.encode(bytes)
    }

    /// The numbers in a sealed text, if it is one of these.
    pub(crate) fn unsealed(self, start: &str, what: &str, index: u64, text: &str) -> Option<[u64; 3]> {
        let bytes = STANDARD.decode(text).ok().filter(|b| b.len() == 96)?;
        let pad = self.bytes(what, &[index], 24);
        let mut numbers = [0_u64; 3];
        for (n, number) in numbers.iter_mut().enumerate() {
            let mut plain = [0_u8; 8];
            for (i, b) in plain.iter_mut().enumerate() {
                *b = bytes[40 + n * 8 + i] ^ pad[n * 8 + i];
            }
            *number = u64::from_be_bytes(plain);
        }
        (self.sealed(start, what, index, numbers) == text).then_some(numbers)
    }

    pub(crate) fn guid(self, what: &str, numbers: &[u64]) -> String {
        let b = self.bytes(what, numbers, 16);
        let hex = hex(&b);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..32]
        )
    }
}

/// An item in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) folder: u64,
    /// Counts the moves: each gives a new id.
    pub(crate) moves: u64,
    /// The mailbox's sequence number of the last change.
    pub(crate) seq: u64,
    /// As `seq`, but for the flag that says whether a message was read.
    pub(crate) text_seq: u64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) content: Content,
}

/// A folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// 0 for the root.
    pub(crate) parent: u64,
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) distinguished: Option<&'static str>,
    /// The mailbox's sequence number of the last change to the folder itself.
    pub(crate) seq: u64,
    pub(crate) extended: BTreeMap<Key, (&'static str, Vec<String>)>,
}

/// What happened, as pull subscriptions tell it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Item number, moves, folder.
    Created(u64, u64, u64),
    Modified(u64, u64, u64),
    Deleted(u64, u64, u64),
    /// Item number, moves after it, folder before, folder after.
    Moved(u64, u64, u64, u64),
    /// Item number, moves, folder; then number and folder of what it was copied from.
    Copied(u64, u64, u64, u64, u64),
    /// A message arrived: item number, moves, folder.
    NewMail(u64, u64, u64),
    FolderCreated(u64),
    FolderModified(u64),
    FolderDeleted(u64, u64),
    /// Folder, parent before, parent after.
    FolderMoved(u64, u64, u64),
}

/// What a client knows of a folder: per item the moves and the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) folder: u64,
    pub(crate) items: HashMap<u64, (u64, u64)>,
}

/// A stored FAI configuration, such as the category list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configuration {
    pub(crate) number: u64,
    pub(crate) seq: u64,
    /// The content of `t:Dictionary` as it is written in replies.
    pub(crate) dictionary: Option<String>,
    pub(crate) xml: Option<Vec<u8>>,
    pub(crate) binary: Option<Vec<u8>>,
}

/// Changes that are not visible yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    pub(crate) after: u64,
    pub(crate) upto: u64,
    /// The number of the request from which on they are.
    pub(crate) until: u64,
}

/// A pull subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) mailbox: usize,
    /// None: all folders.
    pub(crate) folders: Option<BTreeSet<u64>>,
    pub(crate) kinds: BTreeSet<String>,
    pub(crate) timeout_minutes: i64,
    pub(crate) asked: i64,
}

/// Which protocol shows a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Home {
    /// EWS only.
    OnPremises,
    /// Graph only.
    Cloud,
    #[default]
    Both,
}

/// One mailbox and its account.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) ids: Ids,
    pub(crate) index: u64,
    pub(crate) user: User,
    pub(crate) password: String,
    pub(crate) disabled: bool,
    /// The account is good, but has no mailbox.
    pub(crate) logon_only: bool,
    pub(crate) home: Home,
    pub(crate) watermarks: bool,
    pub(crate) failed_in_row: u32,
    /// The most that ever were.
    pub(crate) most_failed: u32,
    /// Names of the account beside the address and `CONTOSO\alias`: `nberg`, `CORP\nberg`, a user principal name.
    pub(crate) logins: Vec<String>,
    pub(crate) seq: u64,
    next_number: u64,
    pub(crate) items: BTreeMap<u64, Item>,
    by_id: HashMap<String, u64>,
    pub(crate) folders: BTreeMap<u64, Folder>,
    folders_by_id: HashMap<String, u64>,
    pub(crate) events: VecDeque<Event>,
    /// When an item left a folder: by item and moves.
    pub(crate) gone: HashMap<(u64, u64), u64>,
    states: HashMap<String, Arc<Known>>,
    states_order: VecDeque<String>,
    state_number: u64,
    pub(crate) hierarchies: HashMap<String, HashMap<u64, u64>>,
    pub(crate) configurations: BTreeMap<(u64, String), Configuration>,
    pub(crate) late: Vec<Late>,
    /// How many of the user's Salesforce contacts have been put in already.
    pub(crate) seeded: usize,
    /// The zone that the user's Outlook works in.
    pub(crate) zone: Zone,
    /// Name and address of the user.
    pub(crate) me: Somebody,
    /// How many items fit in.
    pub(crate) quota: Option<usize>,
}

/// Everything that Exchange holds.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) ids: Ids,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) expired: BTreeSet<String>,
    pub(crate) subscription_number: u64,
    pub(crate) failed_logons: BTreeMap<String, u64>,
    /// How many NTLM challenges were given.
    pub(crate) challenges: u64,
    pub(crate) mails_sent: u64,
    /// Each mail that was sent: from, to, kind.
    pub(crate) sent: Vec<serde_json::Value>,
    /// Whether the next *busy* comes as a fault.
    pub(crate) busy_as_fault: bool,
}

/// Name, class, distinguished id, parent's position in this list (the root is its own).
const FOLDERS: &[(&str, &str, &str, usize)] = &[
    ("", "", "root", 0),
    ("Top of Information Store", "IPF.Note", "msgfolderroot", 0),
    ("Finder", "", "searchfolders", 0),
    ("Recoverable Items", "", "recoverableitemsroot", 0),
    ("Deletions", "", "recoverableitemsdeletions", 3),
    ("Inbox", "IPF.Note", "inbox", 1),
    ("Drafts", "IPF.Note", "drafts", 1),
    ("Sent Items", "IPF.Note", "sentitems", 1),
    ("Deleted Items", "IPF.Note", "deleteditems", 1),
    ("Outbox", "IPF.Note", "outbox", 1),
    ("Junk Email", "IPF.Note", "junkemail", 1),
    ("Calendar", "IPF.Appointment", "calendar", 1),
    ("Contacts", "IPF.Contact", "contacts", 1),
    (
        "Recipient Cache",
        "IPF.Contact.RecipientCache",
        "recipientcache",
        12,
    ),
    ("Tasks", "IPF.Task", "tasks", 1),
    ("Notes", "IPF.StickyNote", "notes", 1),
    ("Journal", "IPF.Journal", "journal", 1),
    ("Conversation History", "IPF.Note", "conversationhistory", 1),
    // Servers have the folder, and no name for it that clients could use.
    ("Archive", "IPF.Note", "", 1),
];

const CATEGORY_LIST: &str = "CategoryList";

impl Mailbox {
    fn new(ids: Ids, index: usize, user: &User) -> Self {
        let mut mailbox = Self {
            ids,
            index: u64::try_from(index).unwrap_or_default(),
            user: user.clone(),
            password: user.exchange_password.clone(),
            disabled: false,
            logon_only: false,
            home: Home::Both,
            watermarks: true,
            failed_in_row: 0,
            most_failed: 0,
            logins: Vec::new(),
            seq: 1,
            next_number: 1,
            items: BTreeMap::new(),
            by_id: HashMap::new(),
            folders: BTreeMap::new(),
            folders_by_id: HashMap::new(),
            events: VecDeque::new(),
            gone: HashMap::new(),
            states: HashMap::new(),
            states_order: VecDeque::new(),
            state_number: 0,
            hierarchies: HashMap::new(),
            configurations: BTreeMap::new(),
            late: Vec::new(),
            seeded: 0,
            zone: Zone::named("W. Europe Standard Time").unwrap_or_else(Zone::utc),
            me: Somebody::new(&user.name(), &user.address),
            quota: None,
        };
        for (at, (name, class, distinguished, parent)) in FOLDERS.iter().enumerate() {
            // Numbers start at 1, so position + 1 is the parent's number.
            let parent = if at == 0 {
                0
            } else {
                u64::try_from(*parent).unwrap_or_default() + 1
            };
            mailbox.insert_folder(Folder {
                parent,
                class: (*class).to_owned(),
                name: (*name).to_owned(),
                distinguished: Some(*distinguished).filter(|d| !d.is_empty()),
                seq: 1,
                extended: BTreeMap::new(),
            });
        }
        mailbox
    }

    fn insert_folder(&mut self, folder: Folder) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.folders_by_id.insert(self.folder_id(number), number);
        self.folders.insert(number, folder);
        number
    }

    /// The next sequence number.
    fn tick(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn happened(&mut self, seq: u64, at: i64, what: What) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(Event { seq, at, what });
    }

    /// The id of an item after so many moves.
    pub(crate) fn item_id(&self, number: u64, moves: u64) -> String {
        self.ids
            .opaque("AAMkADAy", "item", &[self.index, number, moves], 112)
    }

    /// The change key of an item.
    pub(crate) fn change_key(&self, number: u64, seq: u64) -> String {
        self.ids
            .opaque("EQAAABYAAACx", "change", &[self.index, number, seq], 22)
    }

    /// The id of a folder.
    pub(crate) fn folder_id(&self, number: u64) -> String {
        self.ids.opaque("AAMkADAy", "folder", &[self.index, number], 90)
    }

    /// The change key of a folder.
    pub(crate) fn folder_change_key(&self, number: u64) -> String {
        let seq = self.folders.get(&number).map_or(0, |f| f.seq);
        self.ids
            .opaque("AgAAABQAAACx", "folder change", &[self.index, number, seq], 20)
    }

    /// Id and change key of an occurrence of a series.
    pub(crate) fn occurrence_id(&self, number: u64, moves: u64, seq: u64, original: i64) -> (String, String) {
        let at = original.cast_unsigned();
        let id = self
            .ids
            .sealed("AAMkADAyAFRA", "occurrence", self.index, [number, moves, at]);
        let key = self.ids.opaque(
            "DwAAABYAAACx",
            "occurrence change",
            &[self.index, number, seq, at],
            22,
        );
        (id, key)
    }

    /// Number and original start of the occurrence with that id now.
    pub(crate) fn occurrence_of(&self, id: &str) -> Option<(u64, i64)> {
        let [number, moves, at] = self.ids.unsealed("AAMkADAyAFRA", "occurrence", self.index, id)?;
        let item = self.items.get(&number).filter(|i| i.moves == moves)?;
        item.content.recurrence.as_ref()?;
        Some((number, at.cast_signed()))
    }

    /// The id of an attachment.
    pub(crate) fn attachment_id(&self, number: u64, moves: u64, attachment: u64) -> String {
        self.ids.sealed(
            "AAMkADAyAAAS",
            "attachment",
            self.index,
            [number, moves, attachment],
        )
    }

    /// Item and number of the attachment with that id now.
    pub(crate) fn attachment_of(&self, id: &str) -> Option<(u64, u64)> {
        let [number, moves, attachment] = self.ids.unsealed("AAMkADAyAAAS", "attachment", self.index, id)?;
        let item = self.items.get(&number).filter(|i| i.moves == moves)?;
        let there = item.content.attachments.iter().any(|a| a.number == attachment);
        there.then_some((number, attachment))
    }

    /// The id of a thread.
    pub(crate) fn conversation_id(&self, root: &str) -> String {
        self.ids
            .opaque("AAQkADAy", &format!("conversation {root}"), &[self.index], 62)
    }

    /// `PidTagConversationIndex`: the thread's header, and five bytes for each answer.
    pub(crate) fn conversation_index(root: &str, depth: usize) -> Vec<u8> {
        // The header is the same in all mailboxes: it travels with the mail.
        let mut bytes = Ids(0).bytes(&format!("index {root}"), &[], 22 + 5 * depth);
        bytes[0] = 1;
        bytes
    }

    /// The event of that iCalendar id, not among the deleted ones.
    pub(crate) fn event_of(&self, uid: &str) -> Option<u64> {
        let bin = self.distinguished("deleteditems");
        let dumpster = self.distinguished("recoverableitemsdeletions");
        self.items
            .iter()
            .find(|(_, i)| {
                i.content.class == Class::Event
                    && i.content.text("UID") == uid
                    && Some(i.folder) != bin
                    && Some(i.folder) != dumpster
            })
            .map(|(n, _)| *n)
    }

    /// The number of the item with that id now.
    pub(crate) fn item_of(&self, id: &str) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The number of the folder with that id.
    pub(crate) fn folder_of(&self, id: &str) -> Option<u64> {
        self.folders_by_id.get(id).copied()
    }

    /// The folder that every mailbox has.
    pub(crate) fn distinguished(&self, name: &str) -> Option<u64> {
        self.folders
            .iter()
            .find(|(_, f)| f.distinguished == Some(name))
            .map(|(n, _)| *n)
    }

    /// The folder of that display name, as the control API knows it.
    pub(crate) fn folder_named(&self, name: &str) -> Option<u64> {
        self.folders
            .iter()
            .find(|(_, f)| f.name == name || f.distinguished == Some(name))
            .map(|(n, _)| *n)
    }

    pub(crate) fn children(&self, parent: u64) -> impl Iterator<Item = u64> + '_ {
        self.folders
            .iter()
            .filter(move |(_, f)| f.parent == parent)
            .map(|(n, _)| *n)
    }

    /// Parent and all above it.
    pub(crate) fn is_below(&self, folder: u64, above: u64) -> bool {
        let mut at = folder;
        while let Some(f) = self.folders.get(&at) {
            if f.parent == above {
                return true;
            }
            at = f.parent;
        }
        false
    }

    /// The items of a folder with their numbers.
    pub(crate) fn items_in(&self, folder: u64) -> impl Iterator<Item = (u64, &Item)> {
        self.items
            .iter()
            .filter(move |(_, i)| i.folder == folder)
            .map(|(n, i)| (*n, i))
    }

    /// How many messages of a folder were not read.
    pub(crate) fn unread(&self, folder: u64) -> usize {
        self.items_in(folder)
            .filter(|(_, i)| i.content.class == Class::Message && i.content.text("IsRead") != "true")
            .count()
    }

    /// Makes a folder; the caller has checked the name.
    pub(crate) fn create_folder(&mut self, parent: u64, class: &str, name: &str, at: i64) -> u64 {
        let seq = self.tick();
        let number = self.insert_folder(Folder {
            parent,
            class: class.to_owned(),
            name: name.to_owned(),
            distinguished: None,
            seq,
            extended: BTreeMap::new(),
        });
        self.happened(seq, at, What::FolderCreated(number));
        number
    }

    /// Moves a folder below another one, or removes it with all that is in it.
    pub(crate) fn remove_folder(&mut self, number: u64, into: Option<u64>, at: i64) {
        let seq = self.tick();
        let parent = self.folders.get(&number).map_or(0, |f| f.parent);
        if let (Some(into), Some(folder)) = (into, self.folders.get_mut(&number)) {
            folder.parent = into;
            folder.seq = seq;
            self.happened(seq, at, What::FolderModified(number));
            return;
        }
        let below: Vec<u64> = self.children(number).collect();
        for child in below {
            self.remove_folder(child, None, at);
        }
        let inside: Vec<u64> = self.items_in(number).map(|(n, _)| n).collect();
        for item in inside {
            self.remove(item, at);
        }
        let id = self.folder_id(number);
        self.folders_by_id.remove(&id);
        self.folders.remove(&number);
        self.happened(seq, at, What::FolderDeleted(number, parent));
    }

    /// Moves or renames a folder; the caller has checked both.
    pub(crate) fn change_folder(&mut self, number: u64, parent: u64, name: &str, at: i64) {
        let seq = self.tick();
        let Some(folder) = self.folders.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut folder.parent, parent);
        name.clone_into(&mut folder.name);
        folder.seq = seq;
        let what = if before == parent {
            What::FolderModified(number)
        } else {
            What::FolderMoved(number, before, parent)
        };
        self.happened(seq, at, what);
    }

    /// Puts an item into a folder.
    pub(crate) fn create(&mut self, folder: u64, mut content: Content, created: i64, at: i64) -> u64 {
        let seq = self.tick();
        let number = self.next_number;
        self.next_number += 1;
        if content.class == Class::Event && !content.texts.contains_key("UID") {
            let unique = self.ids.bytes("uid", &[self.index, number], 24);
            // The date that comes next is that of an occurrence: none here.
            let uid = format!(
                "040000008200E00074C5B7101A82E00800000000{}",
                &hex(&unique).to_uppercase()[8..]
            );
            content.texts.insert("UID", uid);
        }
        if content.class == Class::Message {
            if !content.texts.contains_key("InternetMessageId") {
                let unique = hex(&self.ids.bytes("message id", &[self.index, number], 16));
                let domain = self.user.address.split_once('@').map_or("", |(_, d)| d);
                content
                    .texts
                    .insert("InternetMessageId", format!("<{unique}@{domain}>"));
            }
            if content.conversation.is_empty() {
                content.conversation = content
                    .texts
                    .get("InternetMessageId")
                    .cloned()
                    .unwrap_or_default();
            }
        }
        self.by_id.insert(self.item_id(number, 0), number);
        let item = Item {
            folder,
            moves: 0,
            seq,
            text_seq: seq,
            created,
            modified: at,
            content,
        };
        self.items.insert(number, item);
        self.happened(seq, at, What::Created(number, 0, folder));
        self.happened(seq, at, What::FolderModified(folder));
        number
    }

    /// Puts a message into the inbox, as the transport does.
    pub(crate) fn receive(&mut self, content: Content, at: i64) -> u64 {
        let inbox = self.distinguished("inbox").unwrap_or_default();
        let number = self.create(inbox, content, at, at);
        let seq = self.seq;
        self.happened(seq, at, What::NewMail(number, 0, inbox));
        number
    }

    /// Copies an item into a folder.
    pub(crate) fn copy(&mut self, number: u64, to: u64, at: i64) -> Option<u64> {
        let item = self.items.get(&number)?.clone();
        let seq = self.tick();
        let made = self.next_number;
        self.next_number += 1;
        self.by_id.insert(self.item_id(made, 0), made);
        let from = item.folder;
        self.items.insert(
            made,
            Item {
                folder: to,
                moves: 0,
                seq,
                text_seq: seq,
                modified: at,
                ..item
            },
        );
        self.happened(seq, at, What::Copied(made, 0, to, number, from));
        self.happened(seq, at, What::FolderModified(to));
        Some(made)
    }

    /// Replaces what an item holds.
    pub(crate) fn change(&mut self, number: u64, content: Content, at: i64) {
        let seq = self.tick();
        let Some(item) = self.items.get_mut(&number) else {
            return;
        };
        let mut as_before = content.clone();
        match item.content.texts.get("IsRead") {
            Some(read) => drop(as_before.texts.insert("IsRead", read.clone())),
            None => drop(as_before.texts.remove("IsRead")),
        }
        let only_read =
            content.class == Class::Message && as_before == item.content && content != item.content;
        item.content = content;
        item.seq = seq;
        if !only_read {
            item.text_seq = seq;
        }
        item.modified = at;
        let (moves, folder) = (item.moves, item.folder);
        self.happened(seq, at, What::Modified(number, moves, folder));
    }

    /// Moves an item into another folder, which gives it a new id.
    pub(crate) fn shift(&mut self, number: u64, to: u64, at: i64) {
        let seq = self.tick();
        let Some(item) = self.items.get_mut(&number) else {
            return;
        };
        let (from, before) = (item.folder, item.moves);
        item.folder = to;
        item.moves += 1;
        item.seq = seq;
        item.text_seq = seq;
        item.modified = at;
        let moves = item.moves;
        self.by_id.remove(&self.item_id(number, before));
        self.by_id.insert(self.item_id(number, moves), number);
        self.gone.insert((number, before), seq);
        self.happened(seq, at, What::Moved(number, moves, from, to));
        self.happened(seq, at, What::FolderModified(from));
        self.happened(seq, at, What::FolderModified(to));
    }

    /// Removes an item for good.
    pub(crate) fn remove(&mut self, number: u64, at: i64) {
        let Some(item) = self.items.remove(&number) else {
            return;
        };
        let seq = self.tick();
        self.by_id.remove(&self.item_id(number, item.moves));
        self.gone.insert((number, item.moves), seq);
        self.happened(seq, at, What::Deleted(number, item.moves, item.folder));
        self.happened(seq, at, What::FolderModified(item.folder));
    }

    /// Calls `then` with what a reply says around an item.
    pub(crate) fn around<T>(&self, number: u64, item: &Item, then: impl FnOnce(&Around<'_>) -> T) -> T {
        self.around_at(number, item, None, then)
    }

    /// As [`Self::around`], for an occurrence: original start, and whether it differs from its series.
    pub(crate) fn around_at<T>(
        &self,
        number: u64,
        item: &Item,
        at: Option<(i64, bool)>,
        then: impl FnOnce(&Around<'_>) -> T,
    ) -> T {
        let (id, change_key) = match at {
            Some((original, _)) => self.occurrence_id(number, item.moves, item.seq, original),
            None => (
                self.item_id(number, item.moves),
                self.change_key(number, item.seq),
            ),
        };
        then(&Around {
            mailbox: self,
            number,
            moves: item.moves,
            seq: item.seq,
            at: at.map(|(original, _)| original),
            exception: at.is_some_and(|(_, differs)| differs),
            me: &self.me,
            id: &id,
            change_key: &change_key,
            folder_id: &self.folder_id(item.folder),
            folder_change_key: &self.folder_change_key(item.folder),
            created: item.created,
            modified: item.modified,
            modified_by: &self.user.name(),
        })
    }

    /// Remembers what a client knows, and returns the state that says so.
    pub(crate) fn remember(&mut self, known: Known) -> String {
        self.state_number += 1;
        let state = self
            .ids
            .opaque("H4sIAAAAAAAEAO29", "sync", &[self.index, self.state_number], 132);
        if self.states_order.len() == STATES_KEPT
            && let Some(oldest) = self.states_order.pop_front()
        {
            self.states.remove(&oldest);
        }
        self.states_order.push_back(state.clone());
        self.states.insert(state.clone(), Arc::new(known));
        state
    }

    /// What a state stands for, if it is still known.
    pub(crate) fn recall(&self, state: &str) -> Option<Arc<Known>> {
        self.states.get(state).cloned()
    }

    /// As [`Self::remember`], for the tree of folders.
    pub(crate) fn remember_tree(&mut self, tree: HashMap<u64, u64>) -> String {
        self.state_number += 1;
        let state = self
            .ids
            .opaque("H4sIAAAAAAAEAO29", "tree", &[self.index, self.state_number], 90);
        self.hierarchies.insert(state.clone(), tree);
        state
    }

    /// The watermark of a sequence number.
    pub(crate) fn watermark(&self, seq: u64) -> String {
        let mut bytes = self.ids.bytes("watermark", &[self.index, seq], 32);
        bytes[..8].copy_from_slice(&seq.to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// The sequence number of a watermark that this mailbox gave.
    pub(crate) fn watermark_seq(&self, text: &str) -> Option<u64> {
        let bytes = STANDARD.decode(text).ok()?;
        let seq = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        (self.watermark(seq) == text && seq <= self.seq).then_some(seq)
    }

    /// Whether a change is held back at request number `n`.
    pub(crate) fn is_late(&self, seq: u64, n: u64) -> bool {
        self.late
            .iter()
            .any(|l| seq > l.after && seq <= l.upto && n < l.until)
    }

    /// The configuration of that name in a folder.
    pub(crate) fn configuration(&self, folder: u64, name: &str) -> Option<&Configuration> {
        self.configurations.get(&(folder, name.to_owned()))
    }

    /// Stores a configuration.
    pub(crate) fn put_configuration(&mut self, folder: u64, name: &str, mut value: Configuration) {
        value.seq = self.tick();
        value.number = if let Some(old) = self.configuration(folder, name) {
            old.number
        } else {
            self.next_number += 1;
            self.next_number - 1
        };
        self.configurations.insert((folder, name.to_owned()), value);
    }

    /// Name and colour of the master category list.
    pub(crate) fn categories(&self) -> Vec<(String, i32)> {
        let calendar = self.distinguished("calendar").unwrap_or_default();
        let xml = self
            .configuration(calendar, CATEGORY_LIST)
            .and_then(|c| c.xml.clone())
            .unwrap_or_default();
        let Ok(tree) = super::xml::parse(&xml) else {
            return Vec::new();
        };
        tree.children
            .iter()
            .filter(|c| c.name == "category")
            .map(|c| {
                let colour = c.attr("color").and_then(|n| n.parse().ok()).unwrap_or(-1);
                (c.attr("name").unwrap_or_default().to_owned(), colour)
            })
            .collect()
    }
}

/// A contact with what the company knows about a person.
pub(crate) fn contact_of(company: &Company, person: &Person) -> Content {
    let mut contact = Content::default();
    for (name, value) in [
        ("GivenName", &person.given),
        ("MiddleName", &person.middle),
        ("Surname", &person.surname),
        ("Nickname", &person.nickname),
        ("JobTitle", &person.title),
        ("Department", &person.department),
        ("AssistantName", &person.assistant_name),
        ("CompanyName", &company.accounts[person.account_index].name),
    ] {
        contact.set_text(name, value);
    }
    for (key, value) in [
        ("BusinessPhone", &person.phone),
        ("MobilePhone", &person.mobile),
        ("HomePhone", &person.home_phone),
        ("OtherTelephone", &person.other_phone),
        ("BusinessFax", &person.fax),
        ("AssistantPhone", &person.assistant_phone),
    ] {
        contact.set_entry("contacts:PhoneNumber", key, value);
    }
    contact.set_entry("contacts:EmailAddress", "EmailAddress1", &person.email);
    for (uri, value) in [
        ("contacts:PhysicalAddress:Street", &person.street),
        ("contacts:PhysicalAddress:City", &person.city),
        ("contacts:PhysicalAddress:State", &person.state),
        ("contacts:PhysicalAddress:PostalCode", &person.postal_code),
        ("contacts:PhysicalAddress:CountryOrRegion", &person.country),
    ] {
        contact.set_entry(uri, "Business", value);
    }
    if !person.birthdate.is_empty() {
        contact
            .texts
            .insert("Birthday", format!("{}T00:00:00Z", person.birthdate));
    }
    contact.body = super::content::crlf(&person.description);
    contact.set_text("FileAsMapping", "LastCommaFirst");
    contact.finish(&Content::default());
    contact
}

impl Store {
    /// All mailboxes, with `per_mailbox` contacts each; every other one is also in Salesforce.
    pub(crate) fn new(company: &Company, per_mailbox: usize, now: i64) -> Self {
        let ids = Ids(company.seed);
        let mut mailboxes = Vec::new();
        for (owner, user) in company.users.iter().enumerate() {
            let mut mailbox = Mailbox::new(ids, owner, user);
            let contacts = mailbox.distinguished("contacts").unwrap_or_default();
            for n in 0..per_mailbox {
                let person = if n % 2 == 0 {
                    company.contact_of(owner, n / 2)
                } else {
                    company.acquaintance_of(owner, n / 2)
                };
                // Some days old, each at another time.
                let age = i64::try_from(per_mailbox - n).unwrap_or(1) * 7_654_321_000 + 86_400_000_000;
                mailbox.create(contacts, contact_of(company, &person), now - age, now - age);
            }
            mailbox.seeded = per_mailbox.div_ceil(2);
            // The last one never opened Outlook: no category list yet.
            if owner + 1 < company.users.len() {
                let calendar = mailbox.distinguished("calendar").unwrap_or_default();
                let xml = category_xml(ids, mailbox.index);
                let list = Configuration {
                    xml: Some(xml.into_bytes()),
                    ..Configuration::default()
                };
                mailbox.put_configuration(calendar, CATEGORY_LIST, list);
            }
            mailboxes.push(mailbox);
        }
        Self {
            ids,
            mailboxes,
            subscriptions: BTreeMap::new(),
            expired: BTreeSet::new(),
            subscription_number: 0,
            failed_logons: BTreeMap::new(),
            challenges: 0,
            mails_sent: 0,
            sent: Vec::new(),
            busy_as_fault: true,
        }
    }

    /// The mailbox with that address or login: `nina.berg@contoso.example`, `CONTOSO\nina.berg`.
    pub(crate) fn find(&self, login: &str, netbios: &str) -> Option<usize> {
        self.mailboxes.iter().position(|m| {
            let named = match login.split_once('\\') {
                Some((domain, alias)) => {
                    domain.eq_ignore_ascii_case(netbios) && alias.eq_ignore_ascii_case(&m.user.alias)
                }
                None => login.eq_ignore_ascii_case(&m.user.address),
            };
            named || m.logins.iter().any(|other| login.eq_ignore_ascii_case(other))
        })
    }
}

fn category_xml(ids: Ids, index: u64) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\r\n<categories default=\"Red category\" lastSavedSession=\"5\" \
lastSavedTime=\"2026-01-12T08:01:27.123\" xmlns=\"CategoryList.xsd\">",
    );
    for (n, (name, colour)) in [("Red category", 0), ("Kunden & Partner", 7), ("Familie", 4)]
        .iter()
        .enumerate()
    {
        let n = u64::try_from(n).unwrap_or_default();
        let guid = ids.guid("category", &[index, n]);
        let name = super::xml::escape(name);
        let _ = write!(
            xml,
            "\r\n  <category name=\"{name}\" color=\"{colour}\" keyboardShortcut=\"0\" usageCount=\"3\" \
lastTimeUsedNotes=\"1601-01-01T00:00:00.000\" lastTimeUsedJournal=\"1601-01-01T00:00:00.000\" \
lastTimeUsedContacts=\"1601-01-01T00:00:00.000\" lastTimeUsedTasks=\"1601-01-01T00:00:00.000\" \
lastTimeUsedCalendar=\"1601-01-01T00:00:00.000\" lastTimeUsedMail=\"2026-01-12T08:01:27.123\" \
lastTimeUsed=\"2026-01-12T08:01:27.123\" lastSessionUsed=\"3\" guid=\"{{{guid}}}\" renameOnFirstUse=\"1\"/>",
        );
    }
    xml.push_str("\r\n</categories>");
    xml
}

/// Two lower-case digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The type's own spelling, for values that the control API brings.
pub(crate) fn string_type() -> &'static str {
    MAPI_TYPES
        .iter()
        .find(|t| **t == "String")
        .copied()
        .unwrap_or("String")
}

/// The error for a folder that is not there.
pub(crate) fn no_folder() -> Fail {
    Fail::new(
        "ErrorFolderNotFound",
        "The specified folder could not be found in the store.",
    )
}

/// The error for an item that is not there.
pub(crate) fn no_item() -> Fail {
    Fail::new(
        "ErrorItemNotFound",
        "The specified object was not found in the store.",
    )
}
