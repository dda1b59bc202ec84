//! The configuration as a process's loops see it: one pointer that a reload swaps. A loop looks at it once a turn, without
//! a lock and without counting references while nothing changed.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::config::Config;

/// Where a process's configuration is; clones lead to the same one.
#[derive(Clone, Debug)]
pub struct LiveConfig(Arc<ArcSwap<Config>>);

impl LiveConfig {
    /// Begins with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// Every reader has `config` from its next look on.
    pub fn set(&self, config: Config) {
        self.0.store(Arc::new(config));
    }

    /// A view for one thread.
    #[must_use]
    pub fn reader(&self) -> ConfigReader {
        ConfigReader(Cache::new(Arc::clone(&self.0)))
    }
}

/// One thread's view.
#[derive(Clone, Debug)]
pub struct ConfigReader(Cache<Arc<ArcSwap<Config>>, Arc<Config>>);

impl ConfigReader {
    /// What is in force now.
    pub fn current(&mut self) -> &Arc<Config> {
        self.0.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_a_change_at_its_next_look_and_the_same_one_otherwise() {
        let live = LiveConfig::new(Config::default());
        let mut reader = live.reader();
        let first = Arc::clone(reader.current());
        assert!(Arc::ptr_eq(&first, reader.current()));
        live.set(Config {
            node_name: "renamed".to_owned(),
            ..Config::default()
        });
        assert_eq!(reader.current().node_name, "renamed");
        assert_eq!(first.node_name, "localhost");
    }
}
