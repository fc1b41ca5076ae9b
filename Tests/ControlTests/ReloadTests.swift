import Model
import Testing

/// What a reload may not change keeps its running value and is named.
struct ReloadTests {
    private let podCIDRs = [CIDR("10.1.0.0/24")].compactMap(\.self)

    @Test func whatNeedsNoRestartApplies() {
        var new = Configuration(interception: .init(podCIDRs: podCIDRs))
        let running = new
        new.drainTimeout = .seconds(1)
        new.interception?.preserveSource = false
        new.interception?.excludeOutboundPorts = [PortRange(53)]
        new.pods = [.init(name: "a", addresses: [.loopbackV4])]
        #expect(new.reload(over: running) == .init(effective: new, restartNeeded: []))
    }

    @Test func whatNeedsARestartIsKeptAndNamed() {
        let running = Configuration(interception: .init(podCIDRs: podCIDRs))
        var new = running
        new.node.mode = .remote
        new.workers = 3
        new.admin.port = 1
        new.drainTimeout = .seconds(1)
        new.interception = .init(
            podCIDRs: [CIDR("10.2.0.0/24")].compactMap(\.self), outboundPort: 2, inboundPort: 3,
            sourcePorts: PortRange(4000, 5000), mark: .init(value: 1, mask: 7))
        new.failover.hostMarkMask = 0xff00
        new.failover.sourcePorts = PortRange(6000, 7000) ?? PortRange(1)
        new.failover.policy = [.drop]
        let reload = new.reload(over: running)
        var expected = running
        expected.drainTimeout = .seconds(1)
        expected.failover.policy = [.drop]
        #expect(reload.effective == expected)
        #expect(
            reload.restartNeeded == [
                "node.mode", "workers", "admin", "interception.outboundPort", "interception.inboundPort",
                "interception.sourcePorts",
                "interception.mark", "interception.podCIDRs", "failover.hostMark.mask", "failover.sourcePorts",
            ])
    }

    @Test func interceptionNeitherComesNorGoes() {
        let with = Configuration(interception: .init(podCIDRs: podCIDRs))
        let without = Configuration()
        #expect(with.reload(over: without).effective.interception == nil)
        #expect(with.reload(over: without).restartNeeded == ["interception"])
        #expect(without.reload(over: with).effective.interception == with.interception)
        #expect(without.reload(over: with).restartNeeded == ["interception"])
    }
}
