//! The page, embedded: which file a path means, in which encoding, and whether the browser has it already. Also the
//! page's content security policy. Knows nothing of connections and of the endpoints beside the page.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use rust_embed::{Embed, EmbeddedFile};

/// What `build.rs` built, with a `.br` and a `.gz` beside each file that gains from it, but not beside the document.
#[derive(Embed)]
#[folder = "$OUT_DIR/page"]
struct Page;

/// The folder whose files carry a hash of their content in their names, and so never change.
const HASHED_FOLDER: &str = "assets/";
/// Hashed names may be kept for a year without asking (RFC 8246).
const CACHE_IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Everything else may be kept, but the node is asked each time whether it still holds.
const CACHE_ASK: &str = "no-cache";

/// An answer to a request for one of the page's files. Every answer must say `Vary: Accept-Encoding`.
#[derive(Debug)]
pub struct Asset {
    /// 200, or 304 with an empty body.
    pub status: u16,
    /// Media type, with its charset where it has one.
    pub content_type: &'static str,
    /// `Content-Encoding`; `None` for the plain file.
    pub encoding: Option<&'static str>,
    /// Strong, quoted, and different for each encoding (RFC 9110, 8.8.3.3).
    pub etag: String,
    /// `Cache-Control`.
    pub cache_control: &'static str,
    /// The bytes to send.
    pub body: &'static [u8],
}

/// The file at `path` (the request's path, without a query) in the encoding that `accept_encoding` likes best, br before
/// gzip before none. `None` when the page has no such file.
#[must_use]
pub fn find(path: &str, accept_encoding: &str, if_none_match: Option<&str>) -> Option<Asset> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    // The compressed twins are encodings of a file, not files of their own.
    if name.ends_with(".br") || name.ends_with(".gz") {
        return None;
    }
    let (encoding, file) = representation(name, accept_encoding)?;
    let etag = etag(&file, encoding);
    let is_known = if_none_match.is_some_and(|known| is_known(known, &etag));
    Some(Asset {
        status: if is_known { 304 } else { 200 },
        content_type: content_type(name),
        encoding,
        etag,
        cache_control: if name.starts_with(HASHED_FOLDER) {
            CACHE_IMMUTABLE
        } else {
            CACHE_ASK
        },
        body: if is_known { &[] } else { bytes(file)? },
    })
}

fn representation(
    name: &str,
    accept_encoding: &str,
) -> Option<(Option<&'static str>, EmbeddedFile)> {
    let plain = Page::get(name)?;
    let mut twins = [("br", "br"), ("gzip", "gz")]
        .map(|(encoding, suffix)| (quality(accept_encoding, encoding), encoding, suffix));
    // Stable: at equal quality, br stays before gzip.
    twins.sort_by_key(|(quality, ..)| std::cmp::Reverse(*quality));
    // Only an identity that was named is a wish; otherwise it's what is left when nothing better is acceptable.
    let plain_quality = named_quality(accept_encoding, "identity").unwrap_or(0);
    let twin = twins
        .into_iter()
        .filter(|(quality, ..)| *quality > 0 && *quality >= plain_quality)
        .find_map(|(_, encoding, suffix)| {
            Page::get(&format!("{name}.{suffix}")).map(|file| (Some(encoding), file))
        });
    Some(twin.unwrap_or((None, plain)))
}

/// Thousandths, 0 when the coding is not acceptable (RFC 9110, 12.5.3).
fn quality(accept_encoding: &str, coding: &str) -> u16 {
    named_quality(accept_encoding, coding)
        .or_else(|| named_quality(accept_encoding, "*"))
        .unwrap_or(0)
}

fn named_quality(accept_encoding: &str, coding: &str) -> Option<u16> {
    accept_encoding.split(',').find_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next()?;
        name.eq_ignore_ascii_case(coding).then(|| {
            parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1000, thousandths)
        })
    })
}

/// A quality value (RFC 9110, 12.4.2) as thousandths; 0 when it isn't one.
fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let is_digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if is_digits => format!("{fraction:0<3}").parse().unwrap_or(0),
        "1" if is_digits => 1000,
        _ => 0,
    }
}

fn etag(file: &EmbeddedFile, encoding: Option<&str>) -> String {
    let mut etag = String::from("\"");
    // 64 bits of the hash tell this page's few files and versions apart.
    for byte in &file.metadata.sha256_hash()[..8] {
        // Writing to a string cannot fail.
        let _ = write!(etag, "{byte:02x}");
    }
    if let Some(encoding) = encoding {
        etag.push('-');
        etag.push_str(encoding);
    }
    etag.push('"');
    etag
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
pub(super) fn is_known(if_none_match: &str, etag: &str) -> bool {
    if_none_match
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

/// Embedded in every profile (`debug-embed`), so the bytes are always borrowed from the binary.
fn bytes(file: EmbeddedFile) -> Option<&'static [u8]> {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Some(bytes),
        std::borrow::Cow::Owned(_) => None,
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The page's policy: its own scripts and styles, and connections to `host` at the node's own `ports` and nowhere else. A
/// policy has no words for an IPv6 address (CSP Level 3, 2.3.1: a host is made of letters, digits and hyphens), and browsers
/// pass over one that is named: there it allows these ports of every host.
///
/// `None` when `host` (without a port; IPv6 in brackets) is neither a name nor an address: it comes from the peer, and
/// whatever else it is could add a directive of its own.
#[must_use]
pub fn content_security_policy(host: &str, ports: &[u16], tls: bool) -> Option<String> {
    if !is_host(host) {
        return None;
    }
    let host = if host.starts_with('[') { "*" } else { host };
    let schemes = if tls {
        ["wss", "https"]
    } else {
        ["ws", "http"]
    };
    let mut policy = String::from(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'",
    );
    for port in ports {
        for scheme in schemes {
            // Writing to a string cannot fail.
            let _ = write!(policy, " {scheme}://{host}:{port}");
        }
    }
    policy.push_str("; base-uri 'none'; frame-ancestors 'none'; form-action 'none'");
    Some(policy)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.parse::<Ipv4Addr>().is_ok()
        || (host.len() <= 253
            && host
                .strip_suffix('.')
                .unwrap_or(host)
                .split('.')
                .all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> String {
        let name =
            Page::iter().find(|name| name.starts_with("assets/index-") && name.ends_with(".js"));
        format!("/{}", name.expect("the page has a script"))
    }

    #[test]
    fn the_root_is_the_page_and_is_asked_for_each_time() {
        let asset = find("/", "", None).expect("the page is embedded");
        assert_eq!(
            (asset.status, asset.encoding, asset.cache_control),
            (200, None, "no-cache")
        );
        assert_eq!(asset.content_type, "text/html; charset=utf-8");
        assert!(asset.body.starts_with(b"<!doctype html>"));
    }

    #[test]
    fn hashed_names_are_immutable() {
        let asset = find(&script(), "", None).expect("embedded");
        assert_eq!(asset.cache_control, CACHE_IMMUTABLE);
        assert_eq!(asset.content_type, "text/javascript; charset=utf-8");
    }

    #[test]
    fn the_best_acceptable_encoding_is_chosen() {
        for (accept, encoding) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("GZIP;q=1.0, br;q=0.5", Some("gzip")),
            ("br;q=0, *", Some("gzip")),
            ("*", Some("br")),
            ("br;q=0.5, identity", None),
            ("br;q=nonsense", None),
            ("br;q=0.000", None),
            ("deflate", None),
            ("", None),
        ] {
            assert_eq!(
                find(&script(), accept, None).expect("embedded").encoding,
                encoding,
                "{accept}"
            );
        }
    }

    #[test]
    fn the_document_is_never_compressed() {
        for path in ["/", "/index.html"] {
            for accept in ["br, gzip", "gzip", "*", "identity;q=0, br"] {
                let asset = find(path, accept, None).expect("embedded");
                assert_eq!(asset.encoding, None, "{path}: {accept}");
                assert!(asset.body.starts_with(b"<!doctype html>"));
            }
        }
    }

    #[test]
    fn each_encoding_has_an_etag_of_its_own() {
        let plain = find(&script(), "", None).expect("embedded");
        let brotli = find(&script(), "br", None).expect("embedded");
        assert_ne!(plain.etag, brotli.etag);
        assert!(brotli.etag.starts_with('"') && brotli.etag.ends_with("-br\""));
        assert!(brotli.body.len() < plain.body.len());
    }

    #[test]
    fn a_known_etag_is_answered_without_a_body() {
        let etag = find(&script(), "br", None).expect("embedded").etag;
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"x\", {etag}"),
            "*".to_owned(),
        ] {
            let asset = find(&script(), "br", Some(&known)).expect("embedded");
            assert_eq!(
                (asset.status, asset.body.len(), &asset.etag),
                (304, 0, &etag),
                "{known}"
            );
        }
        assert_eq!(
            find(&script(), "gzip", Some(&etag))
                .expect("embedded")
                .status,
            200
        );
    }

    #[test]
    fn nothing_but_the_pages_files_is_found() {
        for path in [
            "/nothing",
            "/../Cargo.toml",
            "//index.html",
            "/index.html.br",
            "/assets",
            "/assets/",
            "index.html",
            "",
        ] {
            assert!(find(path, "br", None).is_none(), "{path}");
        }
    }

    #[test]
    fn the_policy_names_this_node_and_its_ports_only() {
        assert_eq!(
            content_security_policy("[::1]", &[8000, 8005], false).as_deref(),
            Some(
                "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; \
                 connect-src 'self' ws://*:8000 http://*:8000 ws://*:8005 http://*:8005; \
                 base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
            )
        );
        let secure = content_security_policy("node.example", &[443], true).expect("a name");
        assert!(
            secure.contains(" wss://node.example:443 https://node.example:443;")
                && !secure.contains(" ws:")
        );
    }

    #[test]
    fn a_host_that_could_add_to_the_policy_is_refused() {
        for host in [
            "",
            "a b",
            "a;script-src *",
            "a,b",
            "*",
            "a/b",
            "[::1",
            "::1",
            "[x]",
            "a:80",
            "a..b",
            "'self'",
            "ä.example",
        ] {
            assert_eq!(
                content_security_policy(host, &[8000], false),
                None,
                "{host}"
            );
        }
        for host in [
            "localhost",
            "node-1.example.net",
            "example.net.",
            "192.0.2.1",
            "[2001:db8::1]",
        ] {
            assert!(
                content_security_policy(host, &[8000], false).is_some(),
                "{host}"
            );
        }
    }
}
