//! Pages by keys alone.

use anyhow::{Result, bail};
use fantoccini::key::Key;

use crate::browser::Chrome;

/// More stops than any page has.
const STOPS: usize = 150;
const TAB: &str = "\u{e004}";
/// Shift, Tab, and all keys up.
const BACK: &str = "\u{e008}\u{e004}\u{e000}";

impl Chrome {
    /// Presses Tab until what has the focus is called `name` (its first line); `Undo*`: begins so.
    pub async fn tab_to(&self, name: &str) -> Result<()> {
        self.walk(name, TAB).await
    }

    /// As [`Chrome::tab_to`], the other way.
    pub async fn tab_back_to(&self, name: &str) -> Result<()> {
        self.walk(name, BACK).await
    }

    /// [`Chrome::tab_to`], and Enter.
    pub async fn enter_on(&self, name: &str) -> Result<()> {
        self.tab_to(name).await?;
        self.key(Key::Enter).await
    }

    /// Within a group of radio buttons, which Tab reaches as one: by the arrow keys.
    pub async fn arrow_to(&self, name: &str) -> Result<()> {
        let down = String::from(char::from(Key::Down));
        self.walk(name, &down).await?;
        // The one that Tab reached may be it, and not be chosen yet.
        self.type_text(" ").await
    }

    /// Types at whatever has the focus.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(text).await?)
    }

    async fn walk(&self, name: &str, key: &str) -> Result<()> {
        let mut way = Vec::new();
        for _ in 0..STOPS {
            let focused = self.focused().await?;
            let first = focused.lines().next().unwrap_or_default().trim().to_owned();
            if is_called(&first, name) {
                return Ok(());
            }
            way.push(first);
            self.type_text(key).await?;
        }
        way.dedup();
        bail!("no key reaches \"{name}\": {way:?}")
    }
}

fn is_called(first: &str, name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => first.starts_with(beginning),
        None => first == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest() {
        assert!(is_called("Undo … 3 May", "Undo*"));
        assert!(!is_called("Undo … 3 May", "Undo"));
        assert!(is_called("Save", "Save"));
    }
}
