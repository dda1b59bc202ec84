//! `bufferbloatd`, the node.

fn main() {}
