import Foundation
import Logging
import Model
import Testing

@testable import Admin

/// What operators see of hosts that this one stands in for.
@Suite struct ProtectedHostTests {
    /// The sample, standing in for node-b with a pod of its own (two addresses of its prefix taken), and for node-c.
    private func configuration() -> Configuration {
        var configuration = Configuration.sample()
        configuration.failover.protects = [(1, "node-b", "10.2.0.0/24"), (2, "node-c", "10.3.0.0/24")].map {
            Configuration.ProtectedHost(
                id: $0, node: $1, address: .known("10.99.0.\($0)"), podCIDRs: [CIDR($2)].compactMap(\.self),
                tunnel: Configuration.Tunnel(vni: UInt32(7000 + $0)))
        }
        let deny = Configuration.PodTables(inbound: [.init(ports: [PortRange(9090)], action: .deny)])
        configuration.pods += [
            Configuration.Pod(name: "shop/pay", addresses: [.known("10.2.0.2")], host: 1, failoverPolicy: [.drop]),
            Configuration.Pod(name: "shop/bank", addresses: [.known("10.2.0.3")], tables: deny, host: 1),
            Configuration.Pod(name: "shop/cart", addresses: [.known("10.3.0.2")], host: 2),
            Configuration.Pod(name: "shop/twin", addresses: [.known("10.2.0.4")], host: 1),
            Configuration.Pod(name: "shop/twin", addresses: [.known("10.3.0.4")], host: 2),
        ]
        return configuration
    }

    private func explain(_ from: String, _ to: String) throws -> Explanation {
        let snapshot = try #require(try FakeProxy(configuration()).snapshot)
        return try Explanation(from: from, to: to, snapshot: snapshot, shared: nil)
    }

    @Test func itIsExplainedAtThePlaceOfTheClientsHost() throws {
        // Both pods are node-b's: its receiver's table is asked here. Ports are those of protected hosts.
        let denied = try explain("shop/pay", "10.2.0.3:9090")
        #expect(denied.leg == "outbound" && denied.outcome == .reset && denied.from.pod == "shop/pay")
        #expect(denied.to.pod == "shop/bank" && denied.verdict.contains("shop/bank"), "\(denied.verdict)")
        #expect(denied.endpoints[0].source.hasPrefix("10.2.0.2, ports 20000-24999"), "\(denied.endpoints[0].source)")
        #expect(denied.notes.contains { $0.contains("on behalf of node-b") })

        // The same pod from elsewhere: of another protected host, of this one, of nobody's. That is node-b's own affair,
        // unless the client is nobody's: then what arrives here came out of node-b's tunnel.
        for from in ["10.3.0.2", "10.1.0.2"] {
            let passed = try explain(from, "10.2.0.3:9090")
            #expect(passed.leg == "outbound" && passed.outcome == .forwarded && passed.to.pod == nil, "\(from)")
        }
        let inbound = try explain("192.0.2.1", "10.2.0.3:9090")
        #expect(inbound.leg == "inbound" && inbound.outcome == .reset && inbound.to.pod == "shop/bank")
        #expect(try explain("10.2.0.99", "8.8.8.8:80").from.pod == "unknown")
    }

    @Test func aNameThatTwoHostsHaveNeedsAnAddress() throws {
        let own = try explain("shop/cart", "8.8.8.8:26")
        #expect(own.from.address == "10.1.0.2", "this host's comes first")
        let error = #expect(throws: Explanation.BadQuestion.self) { _ = try explain("shop/twin", "8.8.8.8:26") }
        #expect(error?.description == "from: shop/twin: a pod of 2 protected hosts: give its address")
    }

    @Test func seriesAndViewsNameTheHost() async throws {
        let proxy = try FakeProxy(configuration())
        let hosts = proxy.workerStatistics.map(\.hosts)
        hosts[0].add(2, slot: 1, counter: HostCounter.connections.rawValue)
        hosts[1].add(3, slot: 1, counter: HostCounter.connections.rawValue)
        hosts[0].add(2, slot: 1, counter: HostCounter.connectionsActive.rawValue)
        hosts[1].add(-1, slot: 1, counter: HostCounter.connectionsActive.rawValue)
        hosts[1].add(1, slot: 2, counter: HostCounter.column(.deniedInbound))
        let bytes = Metrics.render(
            proxy, readiness: Readiness(), accessLog: nil, process: .current(),
            now: Readiness.Now(monotonicMilliseconds: 0, unixSeconds: 0))
        let lines = Set(String(decoding: bytes, as: UTF8.self).split(separator: "\n"))
        for line in [
            "apus_protected_connections_total{host=\"node-b\"} 5",
            "apus_protected_connections_total{host=\"node-c\"} 0",
            "apus_protected_connections_active{host=\"node-b\"} 1",
            "apus_protected_resets_total{host=\"node-c\",reason=\"denied_inbound\"} 1",
            "apus_protected_own_source_total{host=\"node-b\",path=\"direct\"} 0",
        ] {
            #expect(lines.contains(line[...]), "\(line)")
        }

        try await withServer(proxy) { address in
            let pods = try await get("/pods", from: address)
            let views = try JSONDecoder().decode([PodView].self, from: pods)
            let names = views.map { "\($0.name) \($0.host ?? "-")" }
            #expect(names.prefix(4) == ["unknown -", "shop/cart -", "shop/web -", "shop/pay node-b"])
            #expect(names.suffix(2) == ["unknown node-b", "unknown node-c"])
            let text = String(decoding: try await get("/config", from: address), as: UTF8.self)
            for part in [
                #""protects":[{"address":"10.99.0.1","id":1,"node":"node-b","podCIDRs":["10.2.0.0/24"]"#,
                #""tunnel":{"port":4799,"vni":7001}"#, #""hostMark":{"mask":"0xffff0000"}"#,
                #""sourcePorts":"20000-29999","tunnel""#, #""failover":{"policy":["drop"]}"#, #""node":"node-c""#,
            ] {
                #expect(text.contains(part), "\(part) in \(text)")
            }
        }
    }

    @Test func aLineNamesTheHost() throws {
        let proxy = try FakeProxy(configuration())
        var record = ConnectionRecord()
        record.host = 2
        let line = AccessLogLine(names: proxy.names)
        var bytes: [UInt8] = []
        line.append(record, format: .json, to: &bytes)
        line.append(record, format: .text, to: &bytes)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        #expect(lines[0].contains(#""host":"node-c""#) && lines[1].contains(" host=node-c "), "\(lines)")
    }

    private func get(_ path: String, from address: SocketAddress) async throws -> Data {
        let url = try #require(URL(string: "http://\(address)\(path)"))
        let result = try await run("curl", ["-sf", url.absoluteString])
        return Data(result.output.utf8)
    }
}
