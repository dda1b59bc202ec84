//! What of a configuration a running node can change to.

use super::{Config, Key, Loaded, Setting};

impl Config {
    /// Takes over what [`Setting::is_live`] says can change while the node runs; all else stays.
    pub fn take_live(&mut self, fresh: &Self) {
        // Named one by one, so that whoever adds a key decides.
        let Self {
            port: _,
            ping_port: _,
            profiles: _,
            listen: _,
            tls,
            acme: _,
            tls_min: _,
            http2: _,
            http_redirect_port: _,
            node_name,
            loops: _,
            congestion_control,
            log_level,
            log_format: _,
            log_addresses,
            cors_origins,
            proxies,
            limits,
            multiprocess: _,
            processes_max: _,
            tests_per_process,
            user: _,
            sandbox: _,
            ports_file: _,
            branding,
        } = fresh;
        // Other files can be read while the node runs; its ports speak TLS or don't from the start.
        if self.tls.is_some() && tls.is_some() {
            self.tls.clone_from(tls);
        }
        self.node_name.clone_from(node_name);
        self.congestion_control.clone_from(congestion_control);
        self.log_level = *log_level;
        self.log_addresses.clone_from(log_addresses);
        self.cors_origins.clone_from(cors_origins);
        self.proxies.clone_from(proxies);
        self.limits.clone_from(limits);
        self.tests_per_process = *tests_per_process;
        self.branding.clone_from(branding);
    }
}

/// One key that a reload found changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `[limits] tests_max`, or `[[profile]]`.
    pub key: String,
    /// As it was given before; empty where it is more than a line.
    pub before: String,
    /// As it is given now.
    pub after: String,
    /// Whether it is in force, or waits for a restart.
    pub is_live: bool,
}

impl Loaded {
    /// Goes over to `fresh` as far as a running node can; what has changed.
    pub fn take_live(&mut self, fresh: &Self) -> Vec<Change> {
        let logo_before = self.config.branding.logo.clone();
        self.config.take_live(&fresh.config);
        let mut changes = Vec::new();
        let starts_or_ends_tls = self.config.scheme() != fresh.config.scheme();
        for ((key, before), (_, after)) in self.values.iter_mut().zip(&fresh.values) {
            let setting = Setting::of(*key);
            let is_live = match key {
                Key::SslCertfile | Key::SslKeyfile if starts_or_ends_tls => false,
                _ => setting.is_live,
            };
            if before.text != after.text {
                changes.push(Change {
                    key: setting.path(),
                    before: before.text.clone(),
                    after: after.text.clone(),
                    is_live,
                });
                if is_live {
                    before.clone_from(after);
                }
            }
        }
        // Another picture under the same name.
        let logo = Setting::of(Key::Logo).path();
        if logo_before != fresh.config.branding.logo && changes.iter().all(|it| it.key != logo) {
            changes.push(Change {
                key: logo,
                before: String::new(),
                after: String::new(),
                is_live: true,
            });
        }
        if self.profiles.definitions != fresh.profiles.definitions {
            changes.push(Change {
                key: "[[profile]]".to_owned(),
                before: String::new(),
                after: String::new(),
                is_live: false,
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, Kind, SETTINGS, Sources, load};
    use super::*;

    /// Of a node that speaks TLS: some keys have a meaning there only.
    fn loaded(given: &[(Key, &str)]) -> Loaded {
        loaded_with(given, "1")
    }

    /// The same with a logo of that width.
    fn loaded_with(given: &[(Key, &str)], width: &str) -> Loaded {
        let tls = [
            (Key::SslCertfile, "chain.pem"),
            (Key::SslKeyfile, "key.pem"),
        ];
        let mut sources = Sources::default();
        // The first value of a key stays.
        for (key, text) in given.iter().chain(&tls) {
            sources.add_flag(*key, (*text).to_owned());
        }
        let kernel = Kernel {
            host_name: "node".to_owned(),
            cores: 2,
            offers_congestion_control: &|_| Ok(()),
            read_file: &|_| {
                let root = format!("<svg xmlns='http://www.w3.org/2000/svg' width='{width}'/>");
                Ok(root.into_bytes())
            },
        };
        load(&sources, &kernel).unwrap()
    }

    /// A valid value that is not the default.
    fn other_value(setting: &Setting) -> String {
        match setting.kind {
            Kind::Integer { min, max } => {
                let other = [min, max, max - 1]
                    .into_iter()
                    .find(|number| Some(number.to_string().as_str()) != setting.default);
                other.unwrap().to_string()
            }
            Kind::Boolean => (setting.default != Some("true")).to_string(),
            Kind::Choice(words) => {
                let other = words.iter().find(|word| Some(**word) != setting.default);
                (*other.unwrap()).to_owned()
            }
            Kind::List | Kind::Text => match setting.key {
                Key::Listen | Key::TrustedProxies => "192.0.2.1".to_owned(),
                Key::CorsOrigins | Key::SponsorLink => "https://example.net".to_owned(),
                Key::AccentColour => "#ff8800".to_owned(),
                Key::AcmeEmail => "a@b.example".to_owned(),
                Key::AcmeDirectory => "https://ca.example/dir".to_owned(),
                _ => "other".to_owned(),
            },
        }
    }

    #[test]
    fn a_running_node_neither_begins_nor_ceases_to_speak_tls() {
        let with = loaded(&[]);
        let none = [(Key::SslCertfile, ""), (Key::SslKeyfile, "")];
        let without = loaded(&none);
        for (running, fresh) in [(&with, &without), (&without, &with)] {
            let mut running = running.clone();
            let changes = running.take_live(fresh);
            assert_eq!(changes.len(), 2);
            assert!(changes.iter().all(|change| !change.is_live));
            assert_ne!(running.config.scheme(), fresh.config.scheme());
        }
    }

    #[test]
    fn another_picture_under_the_same_name_is_a_change() {
        let given = [(Key::Logo, "logo.svg")];
        let mut running = loaded_with(&given, "1");
        assert_eq!(running.take_live(&loaded_with(&given, "1")), []);
        let fresh = loaded_with(&given, "2");
        let changes = running.take_live(&fresh);
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].key.as_str(), changes[0].is_live),
            ("[branding] logo", true)
        );
        assert_eq!(running.config, fresh.config);
    }

    #[test]
    fn what_a_row_calls_live_is_what_a_reload_changes() {
        for setting in SETTINGS {
            // What the key cannot be changed without.
            let beside: &[(Key, &str)] = match setting.key {
                Key::ProxyProtocol => &[(Key::TrustedProxies, "192.0.2.1")],
                Key::SponsorLink | Key::SponsorCity => &[(Key::SponsorName, "Example")],
                Key::Acme => &[(Key::SslCertfile, ""), (Key::SslKeyfile, "")],
                Key::AcmeEmail
                | Key::AcmeDirectory
                | Key::AcmeDirectoryCa
                | Key::AcmeStorage
                | Key::AcmeChallenge => &[
                    (Key::SslCertfile, ""),
                    (Key::SslKeyfile, ""),
                    (Key::Acme, "node.example"),
                ],
                _ => &[],
            };
            let mut running = loaded(beside);
            let before = running.config.clone();
            let other = other_value(setting);
            let fresh = loaded(&[beside, &[(setting.key, other.as_str())]].concat());
            let changes = running.take_live(&fresh);
            let change = changes.iter().find(|change| change.key == setting.path());
            assert_eq!(
                change.map(|change| change.is_live),
                Some(setting.is_live),
                "{}",
                setting.name
            );
            if setting.is_live {
                assert_eq!(running.config, fresh.config, "{}", setting.name);
                assert_eq!(running.take_live(&fresh), [], "{}", setting.name);
            } else {
                assert_eq!(running.config, before, "{}", setting.name);
                assert_ne!(fresh.config, before, "{}", setting.name);
                // It still waits: a second reload says so again.
                assert_eq!(running.take_live(&fresh), changes, "{}", setting.name);
            }
        }
    }
}
