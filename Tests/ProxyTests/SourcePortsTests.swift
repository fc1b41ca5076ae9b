import Model
import Testing

@testable import Proxy

/// Which range a connection's port is of.
@Suite struct SourcePortsTests {
    private let source = IPAddress(v4: 0x0a01_0002)
    private let destination = SocketAddress(IPAddress(v4: 0x0a02_0002), 80)

    private func ports(_ mode: Configuration.Node.Mode) -> SourcePorts {
        var configuration = Configuration(node: Configuration.Node(name: "n", mode: mode))
        configuration.interception = Configuration.Interception(
            podCIDRs: [], sourcePorts: PortRange(10240, 10247) ?? PortRange(1))
        configuration.failover.sourcePorts = PortRange(20000, 20007) ?? PortRange(1)
        let settings = WorkerSettings(configuration, connectionsMax: 1, options: ConnectionOptions())
        return SourcePorts(settings, worker: 0, workers: 1, seed: 7)
    }

    private func leg(_ direction: ConnectionDirection, host: UInt16) -> SourcePorts.Leg {
        var record = ConnectionRecord()
        (record.direction, record.host) = (direction, host)
        return SourcePorts.Leg(record)
    }

    private func all(_ ports: inout SourcePorts, _ leg: SourcePorts.Leg) -> Set<UInt16> {
        var taken: Set<UInt16> = []
        while let lease = ports.lease(leg, source: source, destination: destination, now: 0) {
            taken.insert(lease.port)
        }
        return taken
    }

    @Test func fourHalvesOfTwoRanges() {
        var ports = ports(.local)
        #expect(all(&ports, leg(.outbound, host: 0)) == Set(10240...10243))
        #expect(all(&ports, leg(.inbound, host: 0)) == Set(10244...10247))
        #expect(all(&ports, leg(.outbound, host: 1)) == Set(20000...20003))
        #expect(all(&ports, leg(.inbound, host: 2)) == Set(20004...20007))
    }

    @Test func aRemoteHasOneRange() {
        var ports = ports(.remote)
        #expect(all(&ports, leg(.outbound, host: 1)) == Set(10240...10243))
        #expect(all(&ports, leg(.inbound, host: 1)) == Set(10244...10247))
    }

    @Test func leasesGoBackWhereTheyCameFrom() throws {
        var ports = ports(.local)
        for host: UInt16 in [0, 1] {
            let leg = leg(.outbound, host: host)
            let port: UInt16 = host == 0 ? 10241 : 20001
            let (claimed, again) = (
                ports.claim(leg, source: SocketAddress(source, port), destination: destination),
                ports.claim(leg, source: SocketAddress(source, port), destination: destination)
            )
            #expect(claimed?.port == port && again == nil, "host \(host)")
            if let claimed { ports.release(leg, claimed) }
            let lease = ports.lease(leg, source: source, destination: destination, now: 0)
            let clashing = try #require(lease)
            ports.clashed(leg, clashing, now: 0)
            #expect(all(&ports, leg).count == 3, "host \(host): one clashed")
        }
    }
}
