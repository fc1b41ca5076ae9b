import CLinux

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

    /// Cores this process may run on, at least one.
    public static var usableCores: Int { max(1, Int(apus_usable_cores())) }
}
