//! The whole household: the catalogue and the configuration's own users, each with a port.

use super::{Profile, ProfileDefinition, ProfileFault, catalogue};
use crate::limits::PROFILES_MAX;

/// Roles that are no user's.
const RESERVED: [&str; 3] = ["main", "ping", "supervisor"];

/// Adds the configuration's users to the catalogue's. A user without a port gets the next one above every port that is
/// known: the catalogue's, the configuration's, and those in `taken` (of the other roles).
///
/// # Errors
///
/// The first table that is wrong: a key out of its range, a `user_id` or port that is there already, or one user too many.
pub fn assemble(
    definitions: Vec<ProfileDefinition>,
    taken: &[u16],
) -> Result<Vec<Profile>, ProfileFault> {
    let mut profiles = catalogue();
    for definition in definitions {
        let profile = definition.validate()?;
        let fault = |key, value: String, allowed: &str| ProfileFault {
            user_id: profile.user_id.clone(),
            flow: None,
            key,
            value: Some(value),
            allowed: allowed.to_owned(),
        };
        let same_id = |other: &Profile| other.user_id == profile.user_id;
        if RESERVED.contains(&profile.user_id.as_str()) || profiles.iter().any(same_id) {
            return Err(fault(
                "user_id",
                format!("{:?}", profile.user_id),
                "is taken by another user or role; choose another name",
            ));
        }
        if let Some(port) = profile.port {
            let same_port = |other: &Profile| other.port == Some(port);
            if taken.contains(&port) || profiles.iter().any(same_port) {
                return Err(fault(
                    "port",
                    port.to_string(),
                    "is taken by another user or role; choose another one, or leave the key out",
                ));
            }
        }
        if profiles.len() == PROFILES_MAX {
            return Err(fault(
                "user_id",
                format!("{:?}", profile.user_id),
                &format!("is one user too many; at most {PROFILES_MAX} are allowed"),
            ));
        }
        profiles.push(profile);
    }
    number(&mut profiles, taken)?;
    Ok(profiles)
}

/// Gives a port to everyone who has none.
fn number(profiles: &mut [Profile], taken: &[u16]) -> Result<(), ProfileFault> {
    let known = profiles.iter().filter_map(|profile| profile.port);
    let mut highest = known.chain(taken.iter().copied()).max().unwrap_or(0);
    for profile in profiles.iter_mut().filter(|profile| profile.port.is_none()) {
        highest = highest.checked_add(1).ok_or_else(|| ProfileFault {
            user_id: profile.user_id.clone(),
            flow: None,
            key: "port",
            value: None,
            allowed: "no port is left above 65535; give one".to_owned(),
        })?;
        profile.port = Some(highest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::profile::ExperienceModel;
    use crate::message::samples::Direction;
    use crate::profile::FlowDefinition;
    use crate::profile::definition::PatternName;

    fn user(user_id: &str, port: Option<u16>) -> ProfileDefinition {
        ProfileDefinition {
            user_id: user_id.into(),
            name: "N".into(),
            activity: "A".into(),
            description: String::new(),
            port,
            model: ExperienceModel::Bulk,
            flows: vec![FlowDefinition {
                direction: Direction::Down,
                rate_mbps: 1.0,
                pattern: PatternName::Continuous,
                messages_per_second: None,
                frames_per_second: None,
                keyframe_interval: None,
                keyframe_ratio: None,
                on_ms: None,
                off_ms: None,
                message_bytes: None,
                burst_bytes: None,
            }],
        }
    }

    const TAKEN: [u16; 2] = [8000, 8005];

    #[test]
    fn ports_follow_on_after_all_that_are_known() {
        let users = vec![
            user("maria", None),
            user("tom", Some(8010)),
            user("ann", None),
        ];
        let household = assemble(users, &TAKEN).expect("good");
        let ports: Vec<(&str, Option<u16>)> = household
            .iter()
            .map(|profile| (profile.user_id.as_str(), profile.port))
            .collect();
        assert_eq!(
            ports[4..],
            [
                ("maria", Some(8011)),
                ("tom", Some(8010)),
                ("ann", Some(8012))
            ]
        );
        assert_eq!(assemble(Vec::new(), &TAKEN).expect("good"), catalogue());
    }

    #[test]
    fn a_name_or_port_that_is_there_already_is_refused() {
        for (users, message) in [
            (vec![user("alex", None)], "user_id = \"alex\": is taken"),
            (vec![user("ping", None)], "user_id = \"ping\": is taken"),
            (
                vec![user("a", None), user("a", None)],
                "user_id = \"a\": is taken",
            ),
            (vec![user("a", Some(8005))], "port = 8005: is taken"),
            (vec![user("a", Some(8002))], "port = 8002: is taken"),
            (
                vec![user("a", Some(65_535)), user("b", None)],
                "no port is left",
            ),
            (
                (0..13)
                    .map(|number| user(&format!("u{number}"), None))
                    .collect(),
                "one user too many; at most 16",
            ),
        ] {
            let fault = assemble(users, &TAKEN).expect_err(message).to_string();
            assert!(fault.contains(message), "{fault}");
        }
    }
}
