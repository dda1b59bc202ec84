//! An operator's own look: what the page is told of it, how the logo comes, and what SIGHUP changes.

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Node, PATIENCE, eventually, run_to_end};
use crate::http::{get, get_with};

/// A folder of one test with its configuration and its logo, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("bufferbloatd-branding-{name}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn svg(width: u32) -> String {
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"10\"/>")
}

#[test]
fn a_node_without_a_look_of_its_own_says_so() {
    let node = Node::start(&[]);
    let nothing = json!({ "sponsor": null, "logo_path": null, "accent_colour": null });
    assert_eq!(get(node.main_port, "/api/branding").json(), nothing);
    assert_eq!(get(node.main_port, "/api/branding/logo").status, 404);
    assert_eq!(get(node.ping_port, "/api/branding").status, 404);
}

#[test]
fn the_look_is_served_and_changes_on_sighup() {
    let folder = Folder::new("reload");
    let logo = folder.path("logo.svg");
    let config = |accent: &str| {
        let text = format!(
            "[branding]\nsponsor_name = \"Alpnet\"\nsponsor_link = \"https://alpnet.example/\"\n\
             sponsor_city = \"Bolzano\"\nlogo = \"{logo}\"\naccent_colour = \"{accent}\"\n"
        );
        folder.write("config.toml", &text);
    };
    folder.write("logo.svg", &svg(1));
    config("#00A651");
    // One loop: of several, one may answer by what another has let go of a moment ago.
    let config_file = folder.path("config.toml");
    let node = Node::start(&["--config", &config_file, "--loops", "1"]);
    let (children, port) = (node.children(), node.main_port);
    let sponsor = json!({ "name": "Alpnet", "link": "https://alpnet.example/", "city": "Bolzano" });
    let look = json!({ "sponsor": sponsor, "logo_path": "/api/branding/logo", "accent_colour": "#00a651" });
    assert_eq!(get(port, "/api/branding").json(), look);

    let picture = get(port, "/api/branding/logo");
    assert_eq!(
        (picture.status, picture.body.as_str()),
        (200, svg(1).as_str())
    );
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(picture.field(name), Some(value), "{name}");
    }
    // Its address opened by itself: scripts of an SVG do not run in this node's name.
    let policy = picture.field("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.ends_with("; sandbox"),
        "{policy}"
    );
    let etag = picture.field("etag").unwrap();
    let again = get_with(port, "/api/branding/logo", &[("If-None-Match", etag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    // Another picture in the same file, and another colour.
    folder.write("logo.svg", &svg(2));
    config("#ffcc00");
    node.signal(libc::SIGHUP);
    eventually("the new look is there", PATIENCE, || {
        get(port, "/api/branding").json()["accent_colour"] == "#ffcc00"
            && get(port, "/api/branding/logo").body == svg(2)
    });
    assert_ne!(get(port, "/api/branding/logo").field("etag"), Some(etag));
    let changed: Vec<_> = node.log_lines("changed");
    let keys: Vec<_> = changed.iter().map(|line| line["key"].as_str()).collect();
    assert_eq!(
        keys,
        [Some("[branding] accent_colour"), Some("[branding] logo")]
    );

    // One that is no picture changes nothing.
    folder.write("logo.svg", "<html></html>");
    node.signal(libc::SIGHUP);
    eventually("the fault is told", PATIENCE, || {
        node.log_text().contains("must be a PNG, a WebP, or an SVG")
    });
    assert_eq!(get(port, "/api/branding/logo").body, svg(2));

    // And back to none.
    folder.write("config.toml", "");
    node.signal(libc::SIGHUP);
    eventually("the look is gone", PATIENCE, || {
        get(port, "/api/branding/logo").status == 404
    });
    assert_eq!(get(port, "/api/branding").json()["sponsor"], json!(null));
    assert_eq!(node.children(), children);
}

#[test]
fn a_logo_that_cannot_be_used_is_told_before_the_node_starts() {
    let folder = Folder::new("faults");
    let big = svg(1) + &" ".repeat(256 * 1024);
    folder.write("big.svg", &big);
    folder.write("page.svg", "<html></html>");
    for (name, reason) in [
        ("none.png", "cannot be read: No such file or directory"),
        (".", "cannot be read: it is not a file"),
        (
            "big.svg",
            "must be a picture of at most 256 KiB; this one has more",
        ),
        (
            "page.svg",
            "must be a PNG, a WebP, or an SVG that browsers show",
        ),
    ] {
        let path = folder.path(name);
        let (code, _, told) = run_to_end(&["check-config", "--logo", &path]);
        assert_eq!(code, 2);
        assert!(told.contains(&format!("--logo {path}: {reason}")), "{told}");
    }
}
