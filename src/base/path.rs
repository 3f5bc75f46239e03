//! Paths of znodes: plain text, checked by the rules of `PathUtils.validatePath`.

/// The parent of the system nodes.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Where quotas live.
pub const QUOTA: &str = "/zookeeper/quota";
/// The membership of the ensemble.
pub const CONFIG: &str = "/zookeeper/config";

/// Whether `path` may name a znode.
///
/// Rules: not empty; starts with a slash; does not end with one, except the root; no empty, `.`
/// or `..` segment; no control characters, and none of U+D800..U+F8FF, U+FFF0..U+FFFF or beyond
/// the basic plane (Java sees those as surrogates).
pub fn is_valid(path: &str) -> bool {
    let Some(below_root) = path.strip_prefix('/') else {
        return false;
    };
    below_root.is_empty()
        || (below_root
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
            && !below_root.chars().any(is_forbidden))
}

fn is_forbidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// Everything before the last slash, so the empty text for a child of the root; `None` when there
/// is no slash.
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// What follows the last slash.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether `path` is `ancestor` or lies below it, by whole segments.
pub fn is_at_or_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || ancestor == "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_paths() {
        for path in [
            "/",
            "/a",
            "/a/b",
            "/a.b",
            "/..a",
            "/a..",
            "/.../x",
            "/\u{d7ff}",
            "/ü €",
        ] {
            assert!(is_valid(path), "{path:?}");
        }
    }

    #[test]
    fn invalid_paths() {
        let bad = [
            "",
            "a",
            "a/b",
            "/a/",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a\0b",
            "/\u{1}",
            "/\u{1f}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{e000}",
            "/\u{f8ff}",
            "/\u{fff0}",
            "/\u{fffd}",
            "/\u{10000}",
        ];
        for path in bad {
            assert!(!is_valid(path), "{path:?}");
        }
    }

    #[test]
    fn family() {
        assert_eq!(parent("/a"), Some(""));
        assert_eq!(parent("/a/b"), Some("/a"));
        assert_eq!(parent("a"), None);
        assert_eq!(name("/a/b"), "b");
        assert!(is_at_or_below("/q", "/q") && is_at_or_below("/q/x", "/q"));
        assert!(!is_at_or_below("/qq", "/q"));
        assert!(is_at_or_below("/q", "/"));
    }
}
