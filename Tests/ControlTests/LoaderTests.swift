import Model
import Testing

@testable import Control

/// What a valid file means, and what is accepted because it would have no effect.
struct LoaderTests {
    static func load(_ document: String) throws(ConfigurationProblems) -> Configuration {
        try ConfigurationLoader(file: "f", environment: ["HOST": "h", "N": "3", "EMPTY": ""]).load(document)
    }

    @Test func nothingButTheVersionGivesTheDefaults() throws {
        #expect(try Self.load("version: 1") == Configuration())
    }

    /// The documents of the benchmark: L4 with an empty list of routes.
    @Test func loadsTheBenchmarksDocument() throws {
        let configuration = try Self.load(
            """
            version: 1
            node: {name: bench, mode: local}
            workers: 1
            admin: {address: 127.0.0.1, port: 19101}
            listeners: [{name: l, address: "127.0.0.1:18101", protocol: tcp, cluster: b}]
            routes: []
            clusters: [{name: b, protocol: tcp, endpoints: [{address: "127.0.0.1:19000"}]}]
            """)
        let address = try #require(SocketAddress("127.0.0.1:18101"))
        #expect(configuration.listeners == [.init(name: "l", address: address, cluster: "b")])
        #expect(configuration.workers == 1)
        #expect(configuration.admin.port == 19101)
    }

    @Test func acceptsWhatHasNoEffectAtL4() throws {
        let configuration = try Self.load(
            """
            version: 1
            failover:
              policy: [direct]
              remotes: [{name: r1, address: 10.99.0.13, adminPort: 15000}]
              probe: {interval: 100ms, timeout: 300ms, unhealthyAfter: 3, healthyAfter: 20, killAfter: 10s}
              tunnel: {vni: 7011, port: 4799}
              hostMark: {mask: 0xffff0000}
              protects: []
            limits: {memory: 1GiB, headerBytes: 64KiB, headerCount: 128, headerTimeout: 10s}
            routes: [{name: unused}]
            listeners:
              - name: l
                address: 127.0.0.1:0
                cluster: c
                requestId: keep
                forwardedFor: off
                trustedHops: 0
            clusters:
              - name: c
                endpoints: [{address: "10.2.0.3:8080", weight: 3, zone: a, labels: {version: v2}}]
                idleTimeout: 60s
                zoneAware: false
                circuitBreaker: {connections: 7, pendingRequests: 1, requests: 2, retries: 3}
              - {name: http, protocol: http2, endpoints: []}
            """)
        let cluster = try #require(configuration.clusters.first)
        #expect(cluster.connectionsMax == 7)
        #expect(
            cluster.discovery
                == .endpoints([
                    .init(
                        address: try #require(SocketAddress("10.2.0.3:8080")), weight: 3, zone: "a",
                        labels: ["version": "v2"])
                ]))
        #expect(configuration.limits.memoryBytesMax == 1 << 30)
        #expect(configuration.failover.policy == [.direct])
    }

    @Test func readsEveryFieldOfInterception() throws {
        let configuration = try Self.load(
            """
            version: 1
            interception:
              outboundPort: 25001
              inboundPort: 25006
              sourcePorts: 20000-29999
              mark: {value: 256}
              podCIDRs: [10.1.0.0/24, "fd01::/64"]
              excludeCIDRs: [169.254.169.254]
              excludeOutboundPorts: [53, 8000-8999]
              excludeInboundPorts: [10250]
              preserveSource: false
            """)
        let expected = Configuration.Interception(
            podCIDRs: [CIDR("10.1.0.0/24"), CIDR("fd01::/64")].compactMap(\.self), outboundPort: 25001,
            inboundPort: 25006, sourcePorts: PortRange(20000, 29999), mark: .init(value: 0x100, mask: 0x700),
            excludeCIDRs: [CIDR("169.254.169.254/32")].compactMap(\.self),
            excludeOutboundPorts: [PortRange("53"), PortRange("8000-8999")].compactMap(\.self),
            excludeInboundPorts: [PortRange(10250)], preserveSource: false)
        #expect(configuration.interception == expected)
    }

    @Test func replacesReferencesOnceAndInAnyScalar() throws {
        let configuration = try Self.load(
            """
            version: 1
            node: {name: "${HOST}-${HOST}", zone: $HOST}
            workers: ${N}
            accessLog: {path: "/tmp/$${HOST}$$"}
            """)
        #expect(configuration.node == .init(name: "h-h", zone: "$HOST"))
        #expect(configuration.workers == 3)
        #expect(configuration.accessLog?.path == "/tmp/${HOST}$$")
    }

    @Test func anEmptyVariableIsNoName() {
        #expect(ProblemTests.problems("version: 1\nnode: {name: \"${NODE_NAME}\"}") == [])
        let problems = #expect(throws: ConfigurationProblems.self) {
            try Self.load("version: 1\nnode: {name: \"${EMPTY}\"}")
        }
        #expect(problems?.description == "f:2:14: node.name: is empty, expected a name")
    }

    @Test func anchorsAliasesAndMergesWork() throws {
        let configuration = try Self.load(
            """
            version: 1
            clusters:
              - &base {name: a, endpoints: &endpoints [{address: "10.0.0.1:80"}], connectTimeout: 2s}
              - {<<: *base, name: b}
              - <<: [{name: c, connectTimeout: 3s}, *base]
              - {name: d, endpoints: *endpoints}
            """)
        #expect(configuration.clusters.map(\.name) == ["a", "b", "c", "d"])
        #expect(configuration.clusters.map(\.connectTimeout) == [2, 2, 3, 5].map { Duration.seconds($0) })
        #expect(Set(configuration.clusters.map { "\($0.discovery)" }).count == 1)
    }

    @Test func starsInTextsAreTexts() throws {
        let text = "version: 1 # *not an alias\nnode: {name: \"*a\", zone: 'b*c'}\naccessLog: {path: a*b}"
        let configuration = try Self.load(text)
        #expect(configuration.node == .init(name: "*a", zone: "b*c"))
        #expect(configuration.accessLog?.path == "a*b")
    }

    @Test func aByteOrderMarkAndCarriageReturnsAreFine() throws {
        #expect(try Self.load("\u{FEFF}version: 1\r\nworkers: 2\r\n").workers == 2)
        #expect(
            ProblemTests.problems("version: 1\r\nworkers: 0\r\n") == [
                "2:10: workers: is \"0\", expected a whole number from 1 to 256"
            ])
    }

    @Test func podsOfOtherHostsAreLeftOut() throws {
        let configuration = try Self.load(
            """
            version: 1
            node: {name: a}
            interception: {podCIDRs: [10.1.0.0/24]}
            pods:
              - {name: one, addresses: [10.1.0.1]}
              - {name: two, addresses: [10.1.0.2], node: a, uid: 42}
              - {name: two, addresses: [10.2.0.2], node: b, inbound: [{protocol: auto}]}
            """)
        #expect(configuration.pods.map(\.name) == ["one", "two"])
        #expect(configuration.pods.map(\.uid) == [nil, "42"])
    }

    @Test func everythingAClusterCanSay() throws {
        let configuration = try Self.load(
            """
            version: 1
            node: {name: n, zone: a}
            clusters:
              - name: all
                discovery: {dns: "Cart.Shop.:8080"}
                protocol: http1
                loadBalancer: peakEwma
                slowStart: 30s
                panicThreshold: 20%
                zoneAware: true
                connectTimeout: 1s
                idleTimeout: 90s
                tunnelIdleTimeout: 2h
                healthCheck: {http: {path: /healthz, host: h, expect: [200, 204]}, interval: 3s, timeout: 2s}
                outlierDetection:
                  {consecutiveFailures: 7, baseEjection: 10s, maxEjected: 30%,
                   successRate: {interval: 5s, requests: 50, endpoints: 3, factor: 2.5}}
                circuitBreaker: {connections: 1, pendingRequests: 2, requests: 3, retries: 0}
              - {name: defaults, endpoints: [], outlierDetection: {}, healthCheck: {grpc: {service: shop.Cart, host: h}}}
              - {name: bytes, endpoints: [], protocol: tcp, outlierDetection: {successRate: none}}
            """)
        let expected = Configuration.Cluster(
            name: "all", discovery: .dns(.init(host: "cart.shop", port: 8080)), loadBalancer: .peakEwma,
            connectTimeout: .seconds(1), tunnelIdleTimeout: .seconds(7200),
            healthCheck: .init(
                interval: .seconds(3), timeout: .seconds(2),
                http: .init(path: "/healthz", host: "h", expected: [200, 204])),
            panicThreshold: 0.2, connectionsMax: 1, pendingMax: 2, requestsMax: 3, retriesMax: 0,
            idleTimeout: .seconds(90), upstreamProtocol: .http1, slowStart: .seconds(30), isZoneAware: true,
            outlierDetection: .init(
                consecutiveFailures: 7, baseEjection: .seconds(10), maxEjected: 0.3,
                successRate: .init(interval: .seconds(5), requestsMin: 50, endpointsMin: 3, factor: 2.5)))
        #expect(configuration.clusters[0] == expected)
        #expect(
            configuration.clusters[1].outlierDetection == .init()
                && configuration.clusters[1].idleTimeout == .seconds(60))
        #expect(configuration.clusters[1].healthCheck == .init(grpc: .init(service: "shop.Cart", host: "h")))
        #expect(configuration.clusters[2].upstreamProtocol == .tcp)
        #expect(configuration.clusters[2].outlierDetection?.successRate == nil)
        #expect(configuration.dnsNames == [.init(host: "cart.shop", port: 8080)])
    }
}
