import CLinux
import Glibc

/// The two clocks, in nanoseconds. Read once per turn of an event loop and handed down.
public enum Clock {
    /// Monotonic, since some point in the past.
    public static func monotonic() -> Int64 { apus_clock(CLOCK_MONOTONIC) }
    /// Wall clock, since 1970.
    public static func wall() -> Int64 { apus_clock(CLOCK_REALTIME) }
    /// CPU time of the calling thread.
    public static func threadCPU() -> Int64 { apus_clock(CLOCK_THREAD_CPUTIME_ID) }
}
