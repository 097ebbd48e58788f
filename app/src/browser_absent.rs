//! On the server nothing is clicked: what the components hand to the browser goes nowhere.

use crate::live::Door;

pub(crate) fn open(_door: Door) -> bool {
    true
}
