//! Greetings: no panic, and what is accepted is read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zre_zmtp::{GREETING_LEN, Greeting};

fuzz_target!(|data: &[u8]| {
    match Greeting::parse(data) {
        Ok(Some(greeting)) => {
            assert!(data.len() >= GREETING_LEN);
            assert_eq!(Greeting::parse(&greeting.encode()), Ok(Some(greeting)));
        }
        Ok(None) => assert!(data.len() < GREETING_LEN),
        // An error stands, whatever comes behind it.
        Err(error) => {
            let longer = [data, &[0; GREETING_LEN]].concat();
            assert_eq!(Greeting::parse(&longer), Err(error));
        }
    }
});
