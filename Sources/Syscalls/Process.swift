import CLinux
import Glibc

/// Limits and facts of this process.
public enum ProcessLimits {
    /// Raises the soft limit of descriptors to the hard one and returns it.
    public static func raiseDescriptorLimit() throws(Errno) -> Int {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        // The shim fills both in.
        try Errno.check(unsafe apus_descriptor_limit(&soft, &hard))
        if soft < hard { try Errno.check(apus_set_descriptor_limit(hard, hard)) }
        return Int(clamping: hard)
    }

    /// A number near the end of the table of descriptors, or of what is affordable of it: eight bytes each.
    public static var highDescriptor: Int32 {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        // The shim fills both in.
        guard unsafe apus_descriptor_limit(&soft, &hard) >= 0 else { return 0 }
        let end = min(soft, 1 << 17)
        return Int32(end - min(end / 4, 1024))
    }

    /// Numbers from here on are left for what a process cannot do without: libdispatch, for one, traps when it cannot open its
    /// own threads' files.
    public static var descriptorsEnd: Int32 {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        // The shim fills both in.
        guard unsafe apus_descriptor_limit(&soft, &hard) >= 0 else { return .max }
        return Int32(clamping: soft - min(soft / 4, 64))
    }

    /// Cores this process may run on, at least one.
    public static var usableCores: Int { max(1, Int(apus_usable_cores())) }
}

/// Who this process is.
public enum ProcessIdentity {
    /// Its number, in its own PID namespace.
    public static var number: Int32 { getpid() }
    /// Its user.
    public static var user: UInt32 { getuid() }
    /// Waits until the process of that number has ended, as far as this PID namespace goes; false: it has not within
    /// `milliseconds`. One that nobody has waited for yet, and so keeps its number, has ended too.
    public static func hasEnded(_ number: Int32, within milliseconds: Int32) -> Bool {
        apus_wait_end(number, milliseconds) > 0
    }
}

/// The memory of this process.
public enum ProcessMemory {
    /// Gives back what only start-up or a reload needed: free heap pages (a YAML tree of 10,000 pods left 112 MB of
    /// them), and mapped code that runs once. Code that still runs comes back page by page out of the page cache, so
    /// call it when the process has settled, not in the middle of work.
    public static func giveBack() {
        apus_trim_heap()
        apus_release_code()
    }
}
