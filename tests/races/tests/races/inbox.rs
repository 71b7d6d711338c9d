//! Mail from several threads to one shard: its order, what is lost of it, and who is woken for it.

use crate::{Gong, check, join, thread};
use fastws_races::inbox::{Inbox, Mail};
use std::sync::Arc;

#[test]
fn a_shard_sleeps_only_while_there_is_no_mail_and_has_it_in_order() {
    check(3, || {
        let (gong, waker) = Gong::new();
        let inbox = Arc::new(Inbox::new(waker));
        let writers = [10, 20].map(|first| {
            let inbox = inbox.clone();
            thread(move || {
                for moment in first..first + 2 {
                    inbox.push(Mail::Forget("bars".into(), moment)).expect("it is no update");
                }
            })
        });
        let mut moments = Vec::new();
        while moments.len() < 4 {
            gong.wait();
            moments.extend(inbox.take().into_iter().map(|mail| match mail {
                Mail::Forget(_, moment) => moment,
                mail => panic!("nobody has sent {mail:?}"),
            }));
        }
        for first in [10, 20] {
            let of_one = moments.iter().filter(|moment| (first..first + 2).contains(*moment));
            assert!(of_one.eq(&[first, first + 1]));
        }
        join(writers);
    });
}

#[test]
fn what_a_full_inbox_does_not_take_is_told_and_counted_and_all_else_arrives() {
    // Two fit in.
    let frame: Arc<[u8]> = vec![0; 6 << 20].into();
    check(3, move || {
        let (_gong, waker) = Gong::new();
        let inbox = Arc::new(Inbox::new(waker));
        let writers = [(); 2].map(|()| {
            let (inbox, frame) = (inbox.clone(), frame.clone());
            thread(move || [(); 2].map(|()| inbox.push(update(&frame)).is_err()))
        });
        let mut taken = inbox.take().len();
        let full = writers.map(|writer| writer.join().expect("it has not panicked"));
        let full = full.as_flattened().iter().filter(|full| **full).count();
        taken += inbox.take().len();
        assert_eq!((taken + full, inbox.lost()), (4, full as u64));
        assert_eq!(inbox.push(update(&frame)), Ok(()), "it is empty again");
    });
}

fn update(frame: &Arc<[u8]>) -> Mail {
    let (topic, frame) = ("bars".into(), frame.clone());
    Mail::Update { topic, frame, life: None, kept: None, policy: None, tally: None }
}
