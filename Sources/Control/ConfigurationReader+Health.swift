import Model

extension ConfigurationReader {
    func readHealthCheck(_ value: Value) -> Configuration.HealthCheck? {
        let known = ["tcp", "http", "grpc", "interval", "timeout", "unhealthyAfter", "healthyAfter"]
        guard let fields = value.fields(known) else { return nil }
        let kinds = ["tcp", "http", "grpc"].filter { fields[$0] != nil }
        if kinds.isEmpty { value.fail("has no kind of check, expected tcp: {}, http: {path: /} or grpc: {}") }
        if kinds.count > 1 { value.fail("has \(kinds.joined(separator: " and ")), expected one of them") }
        _ = fields["tcp"]?.fields([])
        var check = Configuration.HealthCheck()
        check.http = fields["http"].flatMap(readHTTPCheck)
        check.grpc = fields["grpc"].flatMap(readGRPCCheck)
        if let interval = fields["interval"]?.duration(.milliseconds(10)...(.seconds(86400))) {
            check.interval = interval
        }
        if let timeout = fields["timeout"]?.duration() { check.timeout = timeout }
        if let count = fields["unhealthyAfter"]?.integer(1...1000) { check.unhealthyAfter = count }
        if let count = fields["healthyAfter"]?.integer(1...1000) { check.healthyAfter = count }
        return check
    }

    private func readHTTPCheck(_ value: Value) -> Configuration.HealthCheck.HTTP? {
        guard let fields = value.fields(["path", "host", "expect"]) else { return nil }
        let expectation = "a path such as /healthz"
        let path = fields.required("path", expectation)?.parsed(expectation) { text in
            let isPath = text.hasPrefix("/") && text.utf8.count <= Self.pathBytesMax
            return isPath && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") } ? text : nil
        }
        var http = Configuration.HealthCheck.HTTP(path: path ?? "/", host: readHost(fields))
        if let statuses = fields["expect"]?.nonEmptyList("statuses") {
            http.expected = statuses.compactMap { $0.integer(100...599) }
        }
        return path == nil ? nil : http
    }

    private func readGRPCCheck(_ value: Value) -> Configuration.HealthCheck.GRPC? {
        guard let fields = value.fields(["service", "host"]) else { return nil }
        let service = fields["service"]?.parsed("a service's name, such as shop.Cart") { text in
            !text.isEmpty && text.utf8.count <= Self.serviceBytesMax
                && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? text : nil
        }
        return Configuration.HealthCheck.GRPC(service: service ?? "", host: readHost(fields))
    }

    private func readHost(_ fields: Fields) -> String? {
        fields["host"]?.parsed("a host, such as cart.shop or cart.shop:8080") { text in
            !text.isEmpty && text.utf8.count <= 255
                && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") } ? text : nil
        }
    }

    /// Its length is one byte of the message.
    private static let serviceBytesMax = 127
    /// As long a path as fits the request line of any server.
    private static let pathBytesMax = 2048

    func readOutlierDetection(_ value: Value) -> Configuration.OutlierDetection? {
        let known = ["consecutiveFailures", "baseEjection", "maxEjected", "successRate"]
        guard let fields = value.fields(known) else { return nil }
        var detection = Configuration.OutlierDetection()
        if let count = fields["consecutiveFailures"]?.integer(1...1000) { detection.consecutiveFailures = count }
        if let time = fields["baseEjection"]?.duration(.milliseconds(100)...(.seconds(3600))) {
            detection.baseEjection = time
        }
        if let share = fields["maxEjected"]?.percent() { detection.maxEjected = share }
        if let rate = fields["successRate"] { detection.successRate = readSuccessRate(rate) }
        return detection
    }

    private func readSuccessRate(_ value: Value) -> Configuration.OutlierDetection.SuccessRate? {
        if let text = value.node.isScalar ? value.scalar("none or a mapping") : nil {
            if text != "none" {
                value.failKind(expected: "none, or a mapping with interval, requests, endpoints or factor")
            }
            return nil
        }
        guard let fields = value.fields(["interval", "requests", "endpoints", "factor"]) else { return nil }
        var rate = Configuration.OutlierDetection.SuccessRate()
        if let interval = fields["interval"]?.duration(.seconds(1)...(.seconds(3600))) { rate.interval = interval }
        if let count = fields["requests"]?.integer(1...1_000_000) { rate.requestsMin = count }
        if let count = fields["endpoints"]?.integer(2...1_000_000) { rate.endpointsMin = count }
        if let factor = fields["factor"]?.parsed("a number from 0.1 to 10", Self.factor) { rate.factor = factor }
        return rate
    }

    private static func factor(_ text: String) -> Double? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) else { return nil }
        return Double(text).flatMap { (0.1...10).contains($0) ? $0 : nil }
    }
}
