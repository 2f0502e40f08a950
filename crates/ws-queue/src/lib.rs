//! A gate and a bounded queue of weak references: holds connections that come early, admits them in order.
