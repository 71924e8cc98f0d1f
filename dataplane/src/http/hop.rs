//! Message heads for the next hop.
