import Model

/// Large configurations that follow each other: in each, 1 % of the endpoints have other addresses than before, 1 % other
/// weights, and 2 % of the pods are gone.
struct Table {
    let backend: SocketAddress
    let endpoints, clusters, pods: Int
    let balancer: Configuration.Cluster.LoadBalancer
    let checkSeconds: Int

    func configuration(_ second: Int) -> Configuration {
        var configuration = Configuration(
            listeners: [
                Configuration.Listener(name: "web", address: SocketAddress(.loopbackV4, 0), cluster: "live")
            ],
            clusters: [
                Configuration.Cluster(
                    name: "live", discovery: .endpoints([Configuration.Endpoint(address: backend)]))
            ])
        configuration.clusters += (0..<clusters).map { cluster($0, second) }
        configuration.pods = (0..<pods).filter { $0 % 50 != second % 50 }.map { pod in
            Configuration.Pod(
                name: "bench/pod-\(pod)", addresses: [IPAddress(v4: 0x0a01_0000 + UInt32(pod))],
                tables: Configuration.PodTables(outbound: [
                    Configuration.TableEntry(ports: [PortRange(80)], action: .cluster("c\(pod % clusters)"))
                ]))
        }
        return configuration
    }

    private func cluster(_ index: Int, _ second: Int) -> Configuration.Cluster {
        let members = stride(from: index, to: endpoints, by: clusters).map { number in
            // 127.1.0.0 on, where nobody listens: a check costs one connect that is refused at once.
            let moved: UInt32 = number % 100 == second % 100 ? 0x7f64_0000 : 0x7f01_0000
            let isHeavier = (number + 50) % 100 == second % 100
            return Configuration.Endpoint(
                address: SocketAddress(IPAddress(v4: moved + UInt32(number)), 1),
                weight: 1 + (number / 7 + (isHeavier ? 1 : 0)) % 2)
        }
        let check = Configuration.HealthCheck(interval: .seconds(checkSeconds), timeout: .seconds(1))
        return Configuration.Cluster(
            name: "c\(index)", discovery: .endpoints(members), loadBalancer: balancer,
            healthCheck: checkSeconds > 0 ? check : nil)
    }
}
