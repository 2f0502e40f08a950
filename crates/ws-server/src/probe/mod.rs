//! Looks at other services: is it there yet?
