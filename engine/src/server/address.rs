//! How many flows without a test each address has on this loop. With a test, the test's own bounds apply.

use std::collections::HashMap;

/// Flows by address on one loop.
#[derive(Debug)]
pub struct AddressFlows {
    /// By [`super::identity::address_key`].
    open: HashMap<u64, u32>,
    per_address_max: u32,
}

impl AddressFlows {
    /// None open; at most `per_address_max` for each address.
    #[must_use]
    pub fn new(per_address_max: u32) -> Self {
        Self {
            open: HashMap::new(),
            per_address_max,
        }
    }

    /// From now on; flows that are open beyond it go on.
    pub fn set_per_address_max(&mut self, per_address_max: u32) {
        self.per_address_max = per_address_max;
    }

    /// Counts one more flow of `address`; `false`, and nothing counted, when it has as many as it may.
    #[must_use]
    pub fn open(&mut self, address: u64) -> bool {
        let open = self.open.entry(address).or_insert(0);
        if *open >= self.per_address_max {
            return false;
        }
        *open += 1;
        true
    }

    /// A flow that [`AddressFlows::open`] counted is over.
    pub fn close(&mut self, address: u64) {
        if let Some(open) = self.open.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_each_address_and_closed_flows_make_room() {
        let mut flows = AddressFlows::new(2);
        assert!(flows.open(1) && flows.open(1));
        assert!(!flows.open(1));
        assert!(flows.open(2));
        flows.close(1);
        assert!(flows.open(1));
    }
}
