//! Results that are kept as long as what they were made from is the very same.
//!
//! What comes out is what would come out without memory. The function has nothing to look at but its two arguments;
//! both are behind `Arc`s that the memory holds, so that nobody can change them, and an address belongs to one value
//! as long as it is known here. Absent: comparing by value, and knowing what results are about.

use std::collections::HashMap;
use std::sync::Arc;

/// The results of a function of something that all have in common (`C`) and something of their own (`K`).
#[derive(Debug)]
pub(crate) struct Memo<C, K, V> {
    common: Option<Arc<C>>,
    /// In the order of the last keys.
    results: Vec<(Arc<K>, Arc<V>)>,
}

impl<C, K, V> Memo<C, K, V> {
    /// The results for all `keys`, in their order. They are made anew for those that were not among the last ones,
    /// and for all when `common` is another than the last. The results for others are forgotten.
    pub(crate) fn each<'k>(
        &mut self,
        common: &Arc<C>,
        keys: impl ExactSizeIterator<Item = &'k Arc<K>>,
        make: fn(&C, &Arc<K>) -> V,
    ) -> Vec<Arc<V>>
    where
        K: 'k,
    {
        let is_same = self.common.as_ref().is_some_and(|last| Arc::ptr_eq(last, common));
        let mut last = std::mem::take(&mut self.results);
        if !is_same {
            last.clear();
            self.common = Some(common.clone());
        }
        // Mostly every key is where it was; the others are looked for among all of them, by their addresses.
        let mut known: Option<HashMap<usize, Arc<V>>> = None;
        self.results.reserve(keys.len());
        for (at, key) in keys.enumerate() {
            let result = match last.get(at).filter(|(it, _)| Arc::ptr_eq(it, key)) {
                Some((_, result)) => result.clone(),
                None => known
                    .get_or_insert_with(|| {
                        last.iter().map(|(it, result)| (address(it), result.clone())).collect()
                    })
                    .entry(address(key))
                    .or_insert_with(|| Arc::new(make(common, key)))
                    .clone(),
            };
            self.results.push((key.clone(), result));
        }
        self.results.iter().map(|(_, result)| result.clone()).collect()
    }
}

impl<C, K, V> Default for Memo<C, K, V> {
    fn default() -> Self {
        Self { common: None, results: Vec::new() }
    }
}

fn address<K>(key: &Arc<K>) -> usize {
    Arc::as_ptr(key).addr()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static MADE: Cell<u32> = const { Cell::new(0) };
    }

    fn product(factor: &u32, key: &Arc<u32>) -> u32 {
        MADE.set(MADE.get() + 1);
        factor * **key
    }

    #[test]
    fn only_what_is_new_is_made() {
        let [one, two, three] = [1, 2, 3].map(Arc::new);
        let mut memo = Memo::default();
        let mut each = |factor: &Arc<u32>, keys: &[&Arc<u32>]| {
            MADE.set(0);
            let results = memo.each(factor, keys.iter().copied(), product);
            (results.iter().map(|it| **it).collect::<Vec<_>>(), MADE.get())
        };
        let ten = Arc::new(10);
        assert_eq!(each(&ten, &[&one, &two, &one]), (vec![10, 20, 10], 2));
        assert_eq!(each(&ten, &[&three, &two]), (vec![30, 20], 1));
        assert_eq!(each(&ten, &[&one, &two]), (vec![10, 20], 1), "the first had been forgotten");
        assert_eq!(each(&Arc::new(10), &[&one, &two]), (vec![10, 20], 2), "equal is not the same");
    }
}
