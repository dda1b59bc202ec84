//! The query part of a request target: names, values, and errors that say which one is wrong.

/// `name=value` pairs as they stand. The values used here are numbers and hexadecimal digits, which are never escaped.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

/// A parameter whose value can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFault {
    /// Which one, what it was, and what is allowed.
    pub message: String,
}

impl<'a> Query<'a> {
    /// The part of a target after `?`, without it; empty if there is none.
    #[must_use]
    pub fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The first value of `name`.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.0
            .split('&')
            .find_map(|pair| match pair.split_once('=') {
                Some((key, value)) if key == name => Some(value),
                _ => None,
            })
    }

    /// The value of `name` as a whole number of `minimum` to `maximum`.
    ///
    /// # Errors
    /// When it's there and isn't one.
    pub fn number(self, name: &str, minimum: u64, maximum: u64) -> Result<Option<u64>, QueryFault> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let is_decimal = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse::<u64>() {
            Ok(number) if is_decimal && (minimum..=maximum).contains(&number) => Ok(Some(number)),
            _ => Err(QueryFault {
                message: format!("`{name}` must be a whole number from {minimum} to {maximum}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts() {
        let query = Query::new("bytes=10&x&bytes=20&test_id=ab");
        assert_eq!(query.value("bytes"), Some("10"));
        assert_eq!(query.value("test_id"), Some("ab"));
        assert_eq!(query.value("x"), None);
    }

    #[test]
    fn a_number_outside_its_range_or_not_decimal_is_named() {
        assert_eq!(
            Query::new("bytes=1099511627776").number("bytes", 0, 1 << 40),
            Ok(Some(1 << 40))
        );
        assert_eq!(Query::new("").number("bytes", 0, 9), Ok(None));
        for query in [
            "bytes=1099511627777",
            "bytes=-1",
            "bytes=+1",
            "bytes=",
            "bytes=1e3",
            "bytes=99999999999999999999",
        ] {
            let fault = Query::new(query)
                .number("bytes", 0, 1 << 40)
                .expect_err(query);
            assert!(
                fault.message.contains("`bytes`") && fault.message.contains("1099511627776"),
                "{query}"
            );
        }
    }
}
