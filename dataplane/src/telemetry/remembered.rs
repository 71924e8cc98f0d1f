//! Values that are made once and used for as long as nothing else takes their place.

use std::cell::{Ref, RefCell};

/// A fixed number of slots. What falls into a taken slot pushes out what was there: nothing is searched and nothing
/// grows.
#[derive(Debug)]
pub(super) struct Remembered<T>(RefCell<Vec<Option<T>>>);

impl<T> Remembered<T> {
    /// Nothing yet, in so many slots: at least one.
    pub(super) fn new(slots: usize) -> Self {
        Self(RefCell::new((0..slots.max(1)).map(|_| None).collect()))
    }

    /// The value in the slot of this number, or a new one if that is not the wanted one.
    pub(super) fn of(
        &self,
        number: usize,
        is_wanted: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Ref<'_, T> {
        let slots = self.0.borrow();
        let slot = number % slots.len();
        let found = Ref::filter_map(slots, |slots| slots[slot].as_ref().filter(|known| is_wanted(known)));
        match found {
            Ok(known) => known,
            Err(slots) => {
                drop(slots);
                self.0.borrow_mut()[slot] = Some(make());
                Ref::map(self.0.borrow(), |slots| {
                    #[expect(clippy::expect_used, reason = "it was put there on the lines above")]
                    slots[slot].as_ref().expect("a value that was just put there")
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_anew_only_when_another_has_taken_its_slot() {
        let remembered = Remembered::new(2);
        let made = std::cell::Cell::new(0);
        let get = |number: usize| {
            let make = || {
                made.set(made.get() + 1);
                number
            };
            *remembered.of(number, |known| *known == number, make)
        };
        assert_eq!([0, 1, 0, 1].map(get), [0, 1, 0, 1]);
        assert_eq!(made.get(), 2);
        assert_eq!([2, 0].map(get), [2, 0]);
        assert_eq!(made.get(), 4);
    }
}
