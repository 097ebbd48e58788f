pub(crate) mod integrations;
pub(crate) mod keys;
pub(crate) mod outages;
pub(crate) mod port;
pub(crate) mod repos;
pub(crate) mod shared;
pub(crate) mod shares;
