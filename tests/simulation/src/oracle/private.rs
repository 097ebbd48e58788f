//! What a private event may show.

use tandem_sync::model::Field;
use tandem_types::ItemKind;

use crate::truth::Home;
use crate::world::World;

/// What a masked event hides.
pub(crate) const HIDDEN: [Field; 3] = [Field::Subject, Field::Body, Field::Location];

impl World {
    /// Whether the mailbox item of this record is private, and became so after it was saved.
    pub(crate) fn masked(&self, conn: usize, record: usize) -> bool {
        let item = self.item(Home::Org, record);
        if item.kind != ItemKind::Event {
            return false;
        }
        self.links[conn].values().any(|link| {
            link.crm_id.as_ref() == Some(&item.id)
                && link.state == tandem_sync::LinkState::Live
                && !link.traits.follower
                && link
                    .mailbox_id
                    .as_ref()
                    .and_then(|id| self.find(Home::Box(conn), id))
                    .is_some_and(|index| self.hides(conn, index))
        })
    }

    /// Private, and not so when the user had it saved.
    pub(crate) fn hides(&self, conn: usize, index: usize) -> bool {
        let item = self.item(Home::Box(conn), index);
        item.here() && item.text(Field::Private) == "yes" && !self.private_on_purpose.contains(&(conn, index))
    }

    /// We made it, and a user made it private since.
    pub(crate) fn hidden_since(&self, home: Home, index: usize) -> bool {
        let item = self.item(home, index);
        let held = item.held.get(&Field::Private);
        item.made_by.is_some() && held.is_some_and(|edit| self.truth.edits[*edit].seq > item.made_seq)
    }
}
