import Syscalls

/// Descriptors this process may have, raised as far as it may.
func descriptorLimit() throws -> Int { try ProcessLimits.raiseDescriptorLimit() }
