import HTTP
import Model
import Testing

@testable import Routing

/// Where requests of a rule go.
struct TargetTests {
    private func tables(_ change: (inout Configuration.Forwarding) -> Void) throws -> Tables {
        var forwarding = Configuration.Forwarding(targets: [.init(cluster: "a")])
        change(&forwarding)
        return try Tables(rules: [Configuration.Rule(action: .forward(forwarding))])
    }

    @Test func weightsOfAnySumAreKept() throws {
        let tables = try tables {
            $0.targets = [
                .init(cluster: "a", weight: 7), .init(cluster: "b", weight: 0), .init(cluster: "c", weight: 4),
            ]
        }
        let rule = 0
        var counts: [Int: Int] = [:]
        let draws = 11_000
        for draw in 0..<draws {
            // Every part of the range of random numbers once.
            let random = UInt64(draw) &* (UInt64.max / UInt64(draws))
            counts[tables.view.target(rule, random: random).cluster, default: 0] += 1
        }
        #expect(counts[2] == nil && abs(counts[1, default: 0] - 7000) <= 2 && abs(counts[3, default: 0] - 4000) <= 2)
        #expect(tables.view.target(rule, random: .max).cluster == 3)
        #expect(tables.view.target(rule, random: 0).cluster == 1)
    }

    @Test func requestsThatShareTheKeyShareTheHash() throws {
        let source = try #require(IPAddress("10.0.0.1"))
        let other = try #require(IPAddress("10.0.0.2"))
        func hash(_ key: Configuration.HashKey?, _ path: String, _ headers: [(String, String)], _ source: IPAddress)
            throws
            -> UInt64?
        {
            let tables = try tables { $0.hashOn = key }
            return tables.view.hash(0, request("GET", "h", path, headers: headers), source: source)
        }
        #expect(try hash(nil, "/", [], source) == nil)
        #expect(try hash(.sourceAddress, "/", [], source) == hash(.sourceAddress, "/x", [("a", "b")], source))
        #expect(try hash(.sourceAddress, "/", [], source) != hash(.sourceAddress, "/", [], other))
        #expect(try hash(.path, "/a?b", [], source) == hash(.path, "/a?c", [], other))
        #expect(try hash(.path, "/a", [], source) != hash(.path, "/b", [], source))
        #expect(
            try hash(.header("x-user"), "/", [("x-user", "7")], source)
                == hash(.header("x-user"), "/b", [("x-user", "7")], other))
        #expect(
            try hash(.header("x-user"), "/", [("x-user", "7")], source)
                != hash(.header("x-user"), "/", [("x-user", "8")], source))
        #expect(try hash(.header("x-user"), "/", [], source) == nil)
        let cookies = [("cookie", "ab=1; a=2;c=; b=3"), ("cookie", "d=4")]
        for (name, value) in [("ab", "1"), ("a", "2"), ("c", ""), ("b", "3"), ("d", "4")] {
            let alone = try hash(.cookie(name), "/", [("cookie", "\(name)=\(value)")], source)
            #expect(try alone != nil && hash(.cookie(name), "/", cookies, source) == alone, "\(name)")
        }
        for name in ["e", "ab=1", "1"] { #expect(try hash(.cookie(name), "/", cookies, source) == nil) }
    }

    @Test func mirrorsHaveAShare() throws {
        let tables = try tables { $0.mirrors = [.init(cluster: "b", share: 0.25), .init(cluster: "c")] }
        let mirrors = tables.view.mirrors(0).map { tables.view.mirror($0) }
        #expect(mirrors.map(\.cluster) == [2, 3])
        let quarter = (0..<1000).count { mirrors[0].share.includes(UInt32($0) &* 4_294_967) }
        #expect(abs(quarter - 250) <= 1)
        #expect(mirrors[1].share.includes(.max) && mirrors[1].share.includes(0))
    }

    @Test func labelsNameASubset() throws {
        let endpoints = try (0..<4).map { number in
            Configuration.Endpoint(
                address: try #require(SocketAddress("10.0.0.\(number):80")),
                labels: ["version": number % 2 == 0 ? "v1" : "v2", "zone": "\(number)"])
        }
        func target(_ labels: [String: String]) -> Configuration.Rule {
            .init(action: .forward(.init(targets: [.init(cluster: "b", labels: labels)])))
        }
        let rules = [
            target(["version": "v2"]), target([:]), target(["version": "v2"]), target(["version": "v2", "zone": "3"]),
            target(["version": "v9"]),
        ]
        let tables = try Tables(
            Configuration(
                routes: [.init(name: "t", virtualHosts: [.init(domains: [.any], rules: rules)])],
                clusters: [
                    .init(name: "a", discovery: .endpoints([endpoints[0]])),
                    .init(name: "b", discovery: .endpoints(endpoints)),
                ]))
        let snapshot = tables.snapshot
        let subsets = rules.indices.map { tables.view.target($0, random: 0).subset }
        #expect(subsets == [0, -1, 0, 1, 2])
        #expect(snapshot.subsets.map(\.cluster) == [2, 2, 2])
        // In its cluster's own count; labels that nobody has make a subset, too.
        #expect(snapshot.subsets.map(\.number) == [0, 1, 2])
    }
}
