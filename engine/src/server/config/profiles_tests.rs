//! Which users and ports a node has, and every fault of a profile as a person reads it.

use super::*;

const USUAL: RolePorts = RolePorts {
    main: 8_000,
    ping: 8_005,
    first: PORTS_FROM,
};

fn definition(user_id: &str, rest: &str) -> ProfileDefinition {
    let text = format!(
        "user_id = \"{user_id}\"\nname = \"N\"\nactivity = \"A\"\nmodel = \"gaming\"\n{rest}\n\
         [[flow]]\ndirection = \"down\"\nrate_mbps = 1\npattern = \"constant\"\nmessages_per_second = 50\n"
    );
    toml::from_str(&text).unwrap()
}

fn ports_of(profiles: &[Profile]) -> Vec<(&str, Option<u16>)> {
    profiles
        .iter()
        .map(|profile| (profile.user_id.as_str(), profile.port))
        .collect()
}

#[test]
fn the_catalogue_has_the_ports_of_the_design() {
    assert_eq!(
        ports_of(&resolve(&[], &USUAL).unwrap()),
        [
            ("alex", Some(8_002)),
            ("sarah", Some(8_003)),
            ("jake", Some(8_001)),
            ("computer", Some(8_004)),
        ]
    );
}

#[test]
fn one_more_user_follows_on_behind_the_ping_port() {
    let more = [definition("maria", ""), definition("tom", "port = 9000")];
    let profiles = resolve(&more, &USUAL).unwrap();
    assert_eq!(
        ports_of(&profiles)[4..],
        [("maria", Some(8_006)), ("tom", Some(9_000))]
    );
}

#[test]
fn a_user_of_the_catalogue_can_be_replaced_and_keeps_place_and_port() {
    let profiles = resolve(&[definition("sarah", "")], &USUAL).unwrap();
    assert_eq!(profiles.len(), 4);
    assert_eq!(ports_of(&profiles)[1], ("sarah", Some(8_003)));
    assert_eq!(profiles[1].activity, "A");
}

#[test]
fn a_usual_port_that_is_taken_is_passed_over() {
    let ports = RolePorts {
        main: 8_001,
        ..USUAL
    };
    let profiles = resolve(&[definition("tom", "port = 8002")], &ports).unwrap();
    assert_eq!(
        ports_of(&profiles),
        [
            ("alex", Some(8_006)),
            ("sarah", Some(8_003)),
            ("jake", Some(8_007)),
            ("computer", Some(8_004)),
            ("tom", Some(8_002)),
        ]
    );
}

#[test]
fn zero_leaves_the_ports_to_the_kernel_but_for_those_that_the_file_gives() {
    let ports = RolePorts { first: 0, ..USUAL };
    let profiles = resolve(&[definition("tom", "port = 9000")], &ports).unwrap();
    assert_eq!(ports_of(&profiles)[0], ("alex", None));
    assert_eq!(ports_of(&profiles)[4], ("tom", Some(9_000)));
}

#[test]
fn another_first_port_moves_them_all() {
    let ports = RolePorts {
        first: 7_101,
        ..USUAL
    };
    let profiles = resolve(&[definition("maria", "")], &ports).unwrap();
    assert_eq!(
        ports_of(&profiles),
        [
            ("alex", Some(7_102)),
            ("sarah", Some(7_103)),
            ("jake", Some(7_101)),
            ("computer", Some(7_104)),
            ("maria", Some(7_105)),
        ]
    );
}

#[test]
fn every_fault_is_told_with_its_profile_and_value() {
    let faults = |definitions: &[ProfileDefinition]| resolve(definitions, &USUAL).unwrap_err();
    assert_eq!(
        faults(&[definition("tom", "port = 8005")]),
        ["profile \"tom\": port = 8005: is the port of the ping role already; they must differ"]
    );
    assert_eq!(
        faults(&[
            definition("tom", "port = 9000"),
            definition("eve", "port = 9000")
        ]),
        ["profile \"eve\": port = 9000: is the port of the tom role already; they must differ"]
    );
    assert_eq!(
        faults(&[definition("tom", ""), definition("tom", "")]),
        ["profile \"tom\": user_id = \"tom\": must differ from the name of another profile"]
    );
    assert_eq!(
        faults(&[definition("ping", "")]),
        ["profile \"ping\": user_id = \"ping\": must differ from the name of a role of the node"]
    );
    let many: Vec<_> = (0..11)
        .map(|number| definition(&format!("user-{number}"), ""))
        .collect();
    assert_eq!(
        faults(&many),
        ["profile: 15 profiles with the catalogue's: must be at most 14"]
    );
    let ports = RolePorts {
        first: 65_533,
        ..USUAL
    };
    let faults = resolve(&[], &ports).unwrap_err();
    assert_eq!(
        faults,
        ["profile \"computer\": no port is left for it above profile_ports = 65533; begin lower"]
    );
}
