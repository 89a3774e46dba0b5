//! A set of numbers, kept as ranges: it takes as much memory as there are gaps in it.

use std::collections::BTreeMap;

/// Numbers, most of which follow one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// By the first number of each range, the number behind its last one.
    ranges: BTreeMap<u32, u32>,
    len: u64,
}

impl Ranges {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.around(number).is_some()
    }

    /// The lowest number.
    pub(crate) fn first(&self) -> Option<u32> {
        self.ranges.keys().next().copied()
    }

    /// All numbers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.ranges.iter().flat_map(|(start, end)| *start..*end)
    }

    pub(crate) fn insert(&mut self, number: u32) {
        if self.contains(number) {
            return;
        }
        self.len += 1;
        let behind = number + 1;
        let end = self.ranges.remove(&behind).unwrap_or(behind);
        match self.ranges.range_mut(..number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => _ = self.ranges.insert(number, end),
        }
    }

    /// Takes a number out. Returns whether it was in.
    pub(crate) fn remove(&mut self, number: u32) -> bool {
        let Some((start, end)) = self.around(number) else { return false };
        self.len -= 1;
        if start == number {
            self.ranges.remove(&start);
        } else {
            self.ranges.insert(start, number);
        }
        if number + 1 < end {
            self.ranges.insert(number + 1, end);
        }
        true
    }

    /// The range that a number is in.
    fn around(&self, number: u32) -> Option<(u32, u32)> {
        let (start, end) = self.ranges.range(..=number).next_back()?;
        (number < *end).then_some((*start, *end))
    }
}

impl Extend<u32> for Ranges {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, numbers: I) {
        numbers.into_iter().for_each(|number| self.insert(number));
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set() {
        let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
        let mut chance = 7_u64;
        for _ in 0..20_000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (chance >> 40) as u32 % 200;
            if (chance >> 33) & 1 == 0 {
                ranges.insert(number);
                set.insert(number);
            } else {
                assert_eq!(ranges.remove(number), set.remove(&number));
            }
            assert_eq!(ranges.contains(number), set.contains(&number));
            assert_eq!((ranges.len(), ranges.first()), (set.len() as u64, set.first().copied()));
        }
        assert!(ranges.iter().eq(set.iter().copied()));
    }

    #[test]
    fn what_follows_one_another_takes_no_more_room() {
        let mut ranges = Ranges::default();
        ranges.extend((0..10_000).rev());
        assert_eq!(ranges.ranges.len(), 1);
        assert!(ranges.remove(5_000));
        assert_eq!(ranges.ranges.len(), 2);
        ranges.insert(5_000);
        assert_eq!((ranges.ranges.len(), ranges.len()), (1, 10_000));
    }
}
