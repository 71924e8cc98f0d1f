//! What a core has to say, on its way to the thread that says it: bytes gather on the core and leave in parcels.
//!
//! Handing a parcel over never waits. When the other side does not keep up, parcels are thrown away and what was in
//! them is counted.

use std::cell::RefCell;
use std::mem;

use super::metrics::Number;

/// A parcel leaves when it has so many bytes, whatever the time is.
pub const PARCEL_BYTES: usize = 128 * 1024;
/// Parcels that may wait for the thread that takes them, from all cores together: 4 MiB, or four of each core.
pub const PARCELS_MAX: usize = 32;
/// The same for each core, where there are many.
pub const PARCELS_MAX_OF_CORE: usize = 4;

/// Bytes that make sense one behind the other.
#[derive(Debug, Default)]
pub struct Parcel {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many things they are: spans, or lines.
    pub items: u64,
}

/// What a thread that takes parcels is sent.
#[derive(Debug)]
pub enum Errand {
    /// Something to pass on.
    Parcel(Parcel),
    /// There will be no more: end when everything before has been passed on.
    End,
}

/// One core's side.
#[derive(Debug)]
pub struct Outbox {
    gathered: RefCell<Parcel>,
    sender: flume::Sender<Errand>,
}

impl Outbox {
    /// Nothing gathered yet.
    pub fn new(sender: flume::Sender<Errand>) -> Self {
        Self { gathered: RefCell::default(), sender }
    }

    /// Lets `fill` append to what is gathered and say how many things it was. `dropped` counts what is lost.
    pub fn put(&self, dropped: &Number, fill: impl FnOnce(&mut Vec<u8>) -> u64) {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.bytes.is_empty() {
            gathered.bytes.reserve(PARCEL_BYTES + PARCEL_BYTES / 8);
        }
        gathered.items += fill(&mut gathered.bytes);
        if gathered.bytes.len() >= PARCEL_BYTES {
            self.send(mem::take(&mut gathered), dropped);
        }
    }

    /// Sends what is gathered, if there is anything.
    pub fn flush(&self, dropped: &Number) {
        let parcel = self.gathered.take();
        if parcel.items > 0 {
            self.send(parcel, dropped);
        }
    }

    fn send(&self, parcel: Parcel, dropped: &Number) {
        let items = parcel.items;
        if self.sender.try_send(Errand::Parcel(parcel)).is_err() {
            dropped.add(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(receiver: &flume::Receiver<Errand>) -> Vec<u64> {
        let parcels = receiver.try_iter().map(|errand| match errand {
            Errand::Parcel(parcel) => parcel.items,
            Errand::End => 0,
        });
        parcels.collect()
    }

    fn write(out: &mut Vec<u8>) -> u64 {
        out.extend_from_slice(&[0; PARCEL_BYTES / 32]);
        1
    }

    #[test]
    fn parcels_leave_when_they_are_full_or_when_their_time_has_come() {
        let (sender, receiver) = flume::bounded(PARCELS_MAX);
        let (outbox, dropped) = (Outbox::new(sender), Number::default());
        (0..33).for_each(|_| outbox.put(&dropped, write));
        assert_eq!(items(&receiver), [32]);
        outbox.flush(&dropped);
        outbox.flush(&dropped);
        assert_eq!((items(&receiver), dropped.load()), (vec![1], 0));
    }

    #[test]
    fn what_nobody_takes_is_counted_and_thrown_away() {
        let (sender, receiver) = flume::bounded(1);
        let (outbox, dropped) = (Outbox::new(sender), Number::default());
        (0..3).for_each(|_| {
            outbox.put(&dropped, write);
            outbox.flush(&dropped);
        });
        assert_eq!((items(&receiver), dropped.load()), (vec![1], 2));
    }
}
