//! Names of topics: what is one, and that parts are never mixed up.

use fastws_core::topic::{MAX_TOPIC, TopicError, check};

#[test]
fn a_name_is_neither_empty_nor_longer_than_its_limit() {
    assert_eq!(check("", 0), Err(TopicError::Empty));
    assert_eq!(check("a", 0), Err(TopicError::TooLong { limit: 0 }));
    assert_eq!(check("ß", 1), Err(TopicError::TooLong { limit: 1 }));
    assert_eq!(check("ß", 2), Ok(()));
    assert_eq!(check("bars:AAPL:1", MAX_TOPIC), Ok(()));
}

#[test]
fn errors_say_what_is_wrong_with_the_topic() {
    let rows = [
        (TopicError::Empty, "the topic is empty"),
        (TopicError::EmptyPart { part: 2 }, "part 2 of the topic is empty"),
        (
            TopicError::Separator { part: 1 },
            "part 1 of the topic contains `:`, which separates parts",
        ),
        (TopicError::TooLong { limit: 256 }, "the topic is longer than 256 bytes"),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
    }
}

#[cfg(feature = "alloc")]
mod joining {
    use fastws_core::topic::{MAX_TOPIC, TopicError, join};
    use proptest::prelude::*;
    use std::fmt;

    #[test]
    fn parts_are_joined_by_colons() {
        assert_eq!(join(["bars"]).as_deref(), Ok("bars"));
        assert_eq!(join(["bars", "AAPL", "1"]).as_deref(), Ok("bars:AAPL:1"));
        assert_eq!(join([1, 2]).as_deref(), Ok("1:2"));
        let mixed: [&dyn fmt::Display; 3] = [&"book", &'x', &10_u8];
        assert_eq!(join(mixed).as_deref(), Ok("book:x:10"));
    }

    #[test]
    fn a_part_that_would_be_mistaken_is_refused_by_its_place() {
        assert_eq!(join([""; 0]), Err(TopicError::Empty));
        assert_eq!(join([""]), Err(TopicError::EmptyPart { part: 0 }));
        assert_eq!(join(["a", "", "b"]), Err(TopicError::EmptyPart { part: 1 }));
        assert_eq!(join(["a", "b:c"]), Err(TopicError::Separator { part: 1 }));
        assert_eq!(join([":"]), Err(TopicError::Separator { part: 0 }));
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(join([address]), Err(TopicError::Separator { part: 0 }));
    }

    #[test]
    fn a_name_is_as_long_as_the_limit_and_no_longer() {
        let longest = "x".repeat(MAX_TOPIC);
        assert_eq!(join([&longest]).as_ref(), Ok(&longest));
        assert_eq!(join([&longest[2..], "y"]).map(|name| name.len()), Ok(MAX_TOPIC));
        for parts in [vec![&*longest, "y"], vec![&longest[1..], "y"], vec!["y", &longest[1..]]] {
            assert_eq!(join(parts), Err(TopicError::TooLong { limit: MAX_TOPIC }));
        }
    }

    #[test]
    fn a_part_without_end_is_given_up() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        assert_eq!(join([Endless]), Err(TopicError::TooLong { limit: MAX_TOPIC }));
    }

    fn parts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab:]{0,3}", 0..5)
    }

    proptest! {
        // law: 11
        #[test]
        fn different_parts_make_different_names(one in parts(), other in parts()) {
            if let (Ok(joined), Ok(second)) = (join(&one), join(&other)) {
                prop_assert_eq!(joined == second, one == other);
            }
        }

        // law: 11
        #[test]
        fn a_name_is_split_into_the_parts_it_was_made_of(parts in parts()) {
            let usable = !parts.is_empty() && parts.iter().all(|part| !part.is_empty() && !part.contains(':'));
            let joined = join(&parts);
            prop_assert_eq!(joined.is_ok(), usable);
            if let Ok(name) = joined {
                prop_assert!(name.split(':').eq(&parts));
            }
        }
    }
}
