import Model

/// Finds two things that would listen in one place.
struct BindingCheck {
    var admin: (address: SocketAddress, value: Value?)?
    var guardAdmin: (address: SocketAddress, value: Value)?
    var outbound: (port: UInt16, value: Value)?
    var inbound: (port: UInt16, value: Value)?
    private var listeners: [SocketAddress: Value] = [:]

    /// A listener's address, with the value to blame.
    mutating func add(_ address: SocketAddress, _ value: Value) {
        // Port 0 is a different port each time.
        guard address.port != 0 else { return }
        if let other = listeners.updateValue(value, forKey: address) {
            value.fail(
                "\(address) is taken by the listener at \(value.problems.place(other.position)), expected another")
        } else if let admin, admin.address.port == address.port, Self.overlap(admin.address.address, address.address) {
            value.fail("\(address) is the address of the admin API, expected another")
        } else if let taken = interceptionPort(address) {
            value.fail("port \(address.port) is interception.\(taken), expected another")
        }
    }

    /// The same address, or one of them is all addresses of the family.
    private static func overlap(_ one: IPAddress, _ other: IPAddress) -> Bool {
        one == other || one.family == other.family && (one.isUnspecified || other.isUnspecified)
    }

    /// The two interception ports and the admin port differ.
    func checkPorts() {
        if let outbound, let inbound, outbound.port == inbound.port {
            inbound.value.fail("inboundPort \(inbound.port) is also outboundPort, expected two different ports")
        }
        for (name, binding) in [("outboundPort", outbound), ("inboundPort", inbound)] {
            guard let guardAdmin, let binding, binding.port == guardAdmin.address.port else { continue }
            guardAdmin.value.fail("port \(binding.port) is also interception.\(name), expected another")
        }
        guard let admin, admin.address.port != 0 else { return }
        if let guardAdmin, guardAdmin.address.port == admin.address.port {
            guardAdmin.value.fail("port \(admin.address.port) is also the admin API's, expected another")
        }
        for (name, binding) in [("outboundPort", outbound), ("inboundPort", inbound)] {
            guard let binding, binding.port == admin.address.port else { continue }
            binding.value.fail("\(name) \(binding.port) is also the admin API's port, expected another")
        }
    }

    /// The interception listeners are on loopback addresses of both families.
    private func interceptionPort(_ address: SocketAddress) -> String? {
        guard address.address.isLoopback || address.address.isUnspecified else { return nil }
        if outbound?.port == address.port { return "outboundPort" }
        return inbound?.port == address.port ? "inboundPort" : nil
    }
}
