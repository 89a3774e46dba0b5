//! One queue: which messages can be received, which are in flight, which come later. It knows no
//! clock and no store; [`Queue::receive`] and its siblings are told what time it is.

use super::attributes::Attributes;
use super::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, Object, Str, json};

/// How long a FIFO queue knows what was sent, and who received with which attempt, in milliseconds.
pub(super) const DEDUPLICATION: i64 = 5 * 60_000;

/// The largest number of messages in flight.
pub(super) const MOST_IN_FLIGHT: usize = 120_000;

/// A message in a queue.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// The message's id. It is also what makes receipt handles hard to guess.
    pub(super) id: Str,
    pub(super) message: Message,
    pub(super) sender: Str,
    pub(super) sent: i64,
    /// The queue that it was moved from, because it was received too often.
    pub(super) source: Option<Str>,
    pub(super) status: Status,
}

/// What changes when a message is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// When it can be received; it is hidden until then.
    pub(super) due: i64,
    /// How often it was received.
    pub(super) received: u32,
    /// When it was received for the first time.
    pub(super) first: Option<i64>,
    /// Whether somebody has received it and may still delete it.
    pub(super) in_flight: bool,
}

/// What was sent with a deduplication id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) key: String,
    pub(super) until: i64,
    pub(super) id: Str,
}

/// The messages of a group of a FIFO queue that wait, and the number of those in flight.
#[derive(Debug, Default)]
struct Group {
    ready: BTreeSet<u64>,
    in_flight: usize,
}

/// What an attempt to receive got, so that it can be repeated.
#[derive(Debug)]
struct Attempt {
    until: i64,
    got: Vec<(u64, u32)>,
}

/// A queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) attributes: Attributes,
    pub(super) tags: BTreeMap<String, String>,
    /// When it was created and when it was last changed, in seconds since 1970.
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) messages: BTreeMap<u64, Stored>,
    /// The messages that can be received: of a queue that is not FIFO.
    ready: BTreeSet<u64>,
    /// The groups of a FIFO queue, and those of which something can be received, by their first message.
    groups: BTreeMap<Str, Group>,
    open: BTreeMap<u64, Str>,
    /// The messages that are hidden, by the moment they are due.
    hidden: BTreeSet<(i64, u64)>,
    in_flight: usize,
    /// The messages by when they were sent.
    by_age: BTreeSet<(i64, u64)>,
    /// What was sent in the last five minutes, by its key, and in order.
    sent: BTreeMap<String, u64>,
    recent: BTreeMap<u64, Sent>,
    attempts: BTreeMap<String, Attempt>,
    last: u64,
}

impl Queue {
    /// A queue without messages.
    pub(super) fn new(
        attributes: Attributes,
        tags: BTreeMap<String, String>,
        created: i64,
        modified: i64,
    ) -> Self {
        Self { attributes, tags, created, modified, ..Self::default() }
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.attributes.is_fifo()
    }

    /// A number for a new message, higher than all others.
    pub(super) fn next_number(&mut self, now: i64) -> u64 {
        self.last = (self.last + 1).max((now.max(0) as u64) << 10);
        self.last
    }

    /// Adds a message, new or from the store.
    pub(super) fn add(&mut self, number: u64, stored: Stored, now: i64) {
        self.last = self.last.max(number);
        self.by_age.insert((stored.sent, number));
        let status = stored.status;
        self.messages.insert(number, stored);
        if status.due > now {
            self.hide(number, status.due, status.in_flight);
        } else {
            self.show(number);
        }
    }

    /// Remembers what was sent with a deduplication id.
    pub(super) fn remember(&mut self, number: u64, sent: Sent) {
        self.last = self.last.max(number);
        self.sent.insert(sent.key.clone(), number);
        self.recent.insert(number, sent);
    }

    /// What was sent with this key in the last five minutes.
    pub(super) fn was_sent(&self, key: &str) -> Option<(u64, &Sent)> {
        let number = self.sent.get(key)?;
        Some((*number, self.recent.get(number)?))
    }

    /// Takes note of the time: what is due can be received; what is too old is removed. Returns the
    /// numbers of messages that were removed, and those of deduplication ids that are forgotten.
    pub(super) fn tick(&mut self, now: i64) -> (Vec<u64>, Vec<u64>) {
        while let Some((due, number)) = self.hidden.first().copied().filter(|(due, _)| *due <= now)
        {
            self.hidden.remove(&(due, number));
            self.unhide(number);
            self.show(number);
        }
        let kept = self.attributes.number("MessageRetentionPeriod") * 1_000;
        let mut old = Vec::new();
        while let Some((_, number)) =
            self.by_age.first().copied().filter(|(sent, _)| sent + kept <= now)
        {
            self.remove(number);
            old.push(number);
        }
        let mut forgotten = Vec::new();
        while let Some(first) = self.recent.first_entry().filter(|first| first.get().until <= now) {
            let (number, sent) = first.remove_entry();
            if self.sent.get(&sent.key) == Some(&number) {
                self.sent.remove(&sent.key);
            }
            forgotten.push(number);
        }
        self.attempts.retain(|_, attempt| attempt.until > now);
        (old, forgotten)
    }

    /// The moment from which on something may be there that is hidden now.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.hidden.first().map(|(due, _)| *due)
    }

    /// Whether something can be received.
    pub(super) fn has_some(&self) -> bool {
        !self.ready.is_empty() || !self.open.is_empty()
    }

    /// Whether so many messages are in flight that no more may be.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= MOST_IN_FLIGHT
    }

    /// Takes the next messages, up to a number, and hides them for some time. A message that was
    /// received too often is not among them: it is the caller's to move.
    pub(super) fn receive(
        &mut self,
        now: i64,
        most: usize,
        visibility_seconds: i64,
        most_receives: Option<i64>,
    ) -> (Vec<u64>, Vec<u64>) {
        let (mut taken, mut spent) = (Vec::new(), Vec::new());
        while taken.len() < most && !self.is_full() {
            let numbers: Vec<u64> = if self.is_fifo() {
                // As many as possible are of one group, in their order.
                let Some((_, group)) = self.open.first_key_value() else { break };
                let ready = self.groups[group].ready.iter().copied();
                ready.take(most - taken.len()).collect()
            } else {
                let Some(number) = self.ready.first().copied() else { break };
                vec![number]
            };
            for number in numbers {
                let stored = &self.messages[&number];
                if most_receives.is_some_and(|most| i64::from(stored.status.received) >= most) {
                    self.withdraw(number);
                    spent.push(number);
                    continue;
                }
                self.withdraw(number);
                let stored = self.messages.get_mut(&number).expect("it is in the queue");
                stored.status.received += 1;
                stored.status.first.get_or_insert(now);
                taken.push(number);
                self.hide(number, now + visibility_seconds * 1_000, true);
            }
        }
        (taken, spent)
    }

    /// Remembers what an attempt got.
    pub(super) fn attempted(&mut self, attempt: &str, got: &[u64], now: i64) {
        let got = got.iter().map(|number| (*number, self.messages[number].status.received));
        let attempt_got = Attempt { until: now + DEDUPLICATION, got: got.collect() };
        self.attempts.insert(attempt.to_owned(), attempt_got);
    }

    /// What an attempt got before, if all of it is still in flight from then. It is hidden anew.
    pub(super) fn repeat(
        &mut self,
        attempt: &str,
        now: i64,
        visibility_seconds: i64,
    ) -> Option<Vec<u64>> {
        let got = &self.attempts.get(attempt)?.got;
        let is_same = |(number, received): &(u64, u32)| {
            self.messages.get(number).is_some_and(|stored| {
                stored.status.in_flight && stored.status.received == *received
            })
        };
        if got.is_empty() || !got.iter().all(is_same) {
            return None;
        }
        let numbers: Vec<u64> = got.iter().map(|(number, _)| *number).collect();
        for number in &numbers {
            self.change_visibility(*number, now, visibility_seconds);
        }
        Some(numbers)
    }

    /// Hides a message that is in flight for a time from now on. Returns false if it is not in flight.
    pub(super) fn change_visibility(&mut self, number: u64, now: i64, seconds: i64) -> bool {
        let Some(stored) = self.messages.get(&number).filter(|stored| stored.status.in_flight)
        else {
            return false;
        };
        self.hidden.remove(&(stored.status.due, number));
        self.unhide(number);
        if seconds == 0 {
            let stored = self.messages.get_mut(&number).expect("it was there just now");
            stored.status.due = now;
            self.show(number);
        } else {
            self.hide(number, now + seconds * 1_000, true);
        }
        true
    }

    /// Removes a message. Returns it if it was there.
    pub(super) fn remove(&mut self, number: u64) -> Option<Stored> {
        let stored = self.messages.get(&number)?;
        self.by_age.remove(&(stored.sent, number));
        if self.hidden.remove(&(stored.status.due, number)) {
            self.unhide(number);
        } else {
            self.withdraw(number);
        }
        self.messages.remove(&number)
    }

    /// The numbers of all messages.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.messages.keys().copied().collect()
    }

    /// The numbers of all deduplication ids.
    pub(super) fn remembered(&self) -> Vec<u64> {
        self.recent.keys().copied().collect()
    }

    /// How many messages can be received or wait for their group's turn, are in flight, are delayed.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let delayed = self.hidden.len() - self.in_flight;
        (self.messages.len() - self.hidden.len(), self.in_flight, delayed)
    }

    /// Makes a message one that can be received.
    fn show(&mut self, number: u64) {
        let stored = self.messages.get_mut(&number).expect("it is in the queue");
        stored.status.in_flight = false;
        let group = stored.message.group.clone().unwrap_or_default();
        if self.is_fifo() {
            self.close(&group);
            self.groups.entry(group.clone()).or_default().ready.insert(number);
            self.reopen(&group);
        } else {
            self.ready.insert(number);
        }
    }

    /// Takes a message out of those that can be received.
    fn withdraw(&mut self, number: u64) {
        let group = self.messages[&number].message.group.clone().unwrap_or_default();
        if self.is_fifo() {
            self.close(&group);
            if let Some(group) = self.groups.get_mut(&group) {
                group.ready.remove(&number);
            }
            self.reopen(&group);
        } else {
            self.ready.remove(&number);
        }
    }

    fn hide(&mut self, number: u64, due: i64, in_flight: bool) {
        let stored = self.messages.get_mut(&number).expect("it is in the queue");
        stored.status.due = due;
        stored.status.in_flight = in_flight;
        let group = stored.message.group.clone().unwrap_or_default();
        self.hidden.insert((due, number));
        if in_flight {
            self.in_flight += 1;
            if self.is_fifo() {
                self.close(&group);
                self.groups.entry(group.clone()).or_default().in_flight += 1;
                self.reopen(&group);
            }
        }
    }

    /// A message is no longer hidden. It has been taken out of `hidden`.
    fn unhide(&mut self, number: u64) {
        let stored = self.messages.get_mut(&number).expect("it is in the queue");
        if !std::mem::take(&mut stored.status.in_flight) {
            return;
        }
        let group = stored.message.group.clone().unwrap_or_default();
        self.in_flight -= 1;
        if self.is_fifo() {
            self.close(&group);
            if let Some(group) = self.groups.get_mut(&group) {
                group.in_flight -= 1;
            }
            self.reopen(&group);
        }
    }

    /// Takes a group out of those of which something can be received, while it is changed.
    fn close(&mut self, group: &Str) {
        if let Some(first) = self.groups.get(group).and_then(|group| group.ready.first()) {
            self.open.remove(first);
        }
    }

    fn reopen(&mut self, name: &Str) {
        let Some(group) = self.groups.get(name) else { return };
        match group.ready.first() {
            Some(first) if group.in_flight == 0 => {
                self.open.insert(*first, name.clone());
            }
            None if group.in_flight == 0 => {
                self.groups.remove(name);
            }
            _ => {}
        }
    }
}

impl Stored {
    /// The document of the message, without its status.
    pub(super) fn write(&self) -> Json {
        let message = &self.message;
        let mut document = Object::new();
        document.insert("id", self.id.clone().into());
        document.insert("body", message.body.clone().into());
        document.insert("sender", self.sender.clone().into());
        document.insert("sent", self.sent.into());
        if !message.attributes.is_empty() {
            document.insert("attributes", Json::Object(message.attributes.clone()));
        }
        let texts = [
            ("trace", &message.trace),
            ("group", &message.group),
            ("deduplication", &message.deduplication),
            ("source", &self.source),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                document.insert(name, text.clone().into());
            }
        }
        if self.status != Status::default() {
            document.insert("status", self.status.write());
        }
        document.into()
    }

    pub(super) fn read(document: &Json) -> Self {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(Str::from);
        let attributes = document.get("attributes").and_then(Json::as_object);
        Self {
            id: text("id").unwrap_or_default(),
            message: Message {
                body: text("body").unwrap_or_default(),
                attributes: attributes.cloned().unwrap_or_default(),
                trace: text("trace"),
                group: text("group"),
                deduplication: text("deduplication"),
                delay_seconds: None,
            },
            sender: text("sender").unwrap_or_default(),
            sent: document.get("sent").and_then(Json::as_i64).unwrap_or_default(),
            source: text("source"),
            status: document.get("status").map(Status::read).unwrap_or_default(),
        }
    }
}

impl Status {
    pub(super) fn write(&self) -> Json {
        json!([(self.due), (self.received), (self.first.unwrap_or_default()), (self.in_flight)])
    }

    pub(super) fn read(document: &Json) -> Self {
        let number = |at: usize| document.at(at).and_then(Json::as_i64).unwrap_or_default();
        Self {
            due: number(0),
            received: number(1) as u32,
            first: Some(number(2)).filter(|first| *first > 0),
            in_flight: document.at(3).and_then(Json::as_bool).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(fifo: bool) -> Queue {
        let mut queue = Queue::default();
        if fifo {
            queue.attributes.0.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        queue
    }

    fn send(queue: &mut Queue, group: &str, body: &str, due: i64) -> u64 {
        let number = queue.next_number(0);
        let message =
            Message { body: body.into(), group: Some(group.into()), ..Message::default() };
        let stored = Stored {
            id: body.into(),
            message,
            sender: Str::default(),
            sent: 0,
            source: None,
            status: Status { due, ..Status::default() },
        };
        queue.add(number, stored, 0);
        number
    }

    fn bodies(queue: &Queue, numbers: &[u64]) -> String {
        numbers.iter().map(|number| queue.messages[number].message.body.as_str()).collect()
    }

    #[test]
    fn a_group_waits_for_its_message_in_flight() {
        let mut queue = queue(true);
        for (group, body) in [("x", "a"), ("y", "b"), ("x", "c"), ("x", "d")] {
            send(&mut queue, group, body, 0);
        }
        let (taken, _) = queue.receive(0, 2, 30, None);
        assert_eq!(bodies(&queue, &taken), "ac");
        let (other, _) = queue.receive(0, 10, 30, None);
        assert_eq!(bodies(&queue, &other), "b");
        assert_eq!(queue.receive(0, 10, 30, None).0, []);
        queue.remove(taken[0]);
        assert_eq!(queue.receive(0, 10, 30, None).0, []);
        // What comes back is the first again.
        queue.tick(30_000);
        let (again, _) = queue.receive(30_000, 10, 30, None);
        assert_eq!(bodies(&queue, &again), "bcd");
        assert_eq!(queue.counts(), (0, 3, 0));
        for number in again {
            queue.remove(number);
        }
        assert_eq!(queue.counts(), (0, 0, 0));
        assert!(queue.groups.is_empty() && queue.open.is_empty() && queue.hidden.is_empty());
    }

    #[test]
    fn what_is_delayed_comes_later_and_old_messages_go() {
        let mut queue = queue(false);
        send(&mut queue, "", "a", 500);
        send(&mut queue, "", "b", 0);
        assert_eq!(queue.counts(), (1, 0, 1));
        let (taken, _) = queue.receive(0, 10, 0, None);
        assert_eq!(bodies(&queue, &taken), "b");
        queue.tick(500);
        assert_eq!(bodies(&queue, &queue.ready.iter().copied().collect::<Vec<_>>()), "ab");
        let (old, _) = queue.tick(345_600_000);
        assert_eq!((old.len(), queue.counts()), (2, (0, 0, 0)));
    }

    #[test]
    fn what_was_received_too_often_is_spent() {
        let mut queue = queue(false);
        let number = send(&mut queue, "", "a", 0);
        assert_eq!(queue.receive(0, 1, 1, Some(1)), (vec![number], vec![]));
        queue.tick(1_000);
        assert_eq!(queue.receive(1_000, 1, 1, Some(1)), (vec![], vec![number]));
    }

    #[test]
    fn visibility_is_changed_of_what_is_in_flight_only() {
        let mut queue = queue(false);
        let number = send(&mut queue, "", "a", 0);
        assert!(!queue.change_visibility(number, 0, 10));
        queue.receive(0, 1, 30, None);
        assert!(queue.change_visibility(number, 0, 0));
        assert_eq!(queue.receive(0, 1, 30, None).0, [number]);
        assert!(queue.change_visibility(number, 0, 60));
        queue.tick(30_000);
        assert!(!queue.has_some());
        queue.tick(60_000);
        assert!(queue.has_some());
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let status = Status { due: 5, received: 2, first: Some(3), in_flight: true };
        let stored = Stored {
            id: "i".into(),
            message: Message { body: "b".into(), group: Some("g".into()), ..Message::default() },
            sender: "s".into(),
            sent: 7,
            source: Some("q".into()),
            status,
        };
        let read = Stored::read(&stored.write());
        assert_eq!((&read.message, read.status), (&stored.message, stored.status));
        assert_eq!(read.write(), stored.write());
    }
}
