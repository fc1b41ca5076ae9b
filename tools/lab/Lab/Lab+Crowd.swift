import Model

extension Lab {
    /// Gives one pod's namespace many addresses: as many pods to everybody outside of it. 62 at most.
    ///
    /// IPv4, from the pod's own prefix: 10.1.0.129 and on for A1, 10.1.0.193 and on for A2.
    public func crowd(_ count: Int, in pod: PodName) throws -> [IPAddress] {
        precondition((1...62).contains(count), "a crowd has at most 62 pods")
        let prefix = UInt32(0x0a00_0000 + pod.host.rawValue << 16 + 64 + 64 * pod.number)
        let addresses = (1...UInt32(count)).map { IPAddress(v4: prefix + $0) }
        let commands = addresses.map { "ip addr add \($0)/32 dev eth0" }.joined(separator: " && ")
        try self[pod].run(["sh", "-c", commands]).required()
        try self[pod.host].run(["ip", "route", "add", "\(IPAddress(v4: prefix))/26", "dev", pod.device]).required()
        return addresses
    }
}
