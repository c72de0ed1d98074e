//! A list of a few items, for passes over small graphs.

/// How many items lie in place.
const FEW: usize = 3;

/// A list whose first items lie in place, each written where it stays: those of a `SmallVec` are put together elsewhere first,
/// and the copy has to wait for that.
pub(crate) struct Few<V> {
    first: [Option<V>; FEW],
    rest: Vec<V>,
    len: usize,
}

impl<V> Few<V> {
    #[inline(always)]
    pub(crate) const fn new() -> Few<V> {
        Few { first: [const { None }; FEW], rest: Vec::new(), len: 0 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, item: V) {
        match self.first.get_mut(self.len) {
            Some(place) => *place = Some(item),
            None => self.rest.push(item),
        }
        self.len += 1;
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Those that lie in place.
    #[inline(always)]
    pub(crate) fn first(&self) -> &[Option<V>; FEW] {
        &self.first
    }

    #[inline(always)]
    pub(crate) fn get(&mut self, i: usize) -> Option<&mut V> {
        match self.first.get_mut(i) {
            Some(place) => place.as_mut(),
            None => self.rest.get_mut(i - FEW),
        }
    }

    /// Hands out all items.
    #[inline(always)]
    pub(crate) fn each(mut self, mut f: impl FnMut(V)) {
        self.first.iter_mut().filter_map(Option::take).for_each(&mut f);
        self.rest.into_iter().for_each(f);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.first.iter().flatten().chain(&self.rest)
    }
}
