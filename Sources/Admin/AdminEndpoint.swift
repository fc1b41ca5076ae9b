/// The paths of an admin API, and how a request finds its own among them: the same for `apusd` and `apus-guard`.
package protocol AdminEndpoint: RawRepresentable, CaseIterable where RawValue == String {
    /// `GET` (HEAD included) or `POST`.
    var method: String { get }
}

/// What a request asks for.
package enum AdminQuestion<Endpoint: AdminEndpoint> {
    /// This, with what its query says.
    case asked(Endpoint, RequestTarget)
    /// Nothing that is answered otherwise.
    case refused(AdminResponse)
}

extension AdminRequest {
    /// Which endpoint is meant.
    package func question<Endpoint: AdminEndpoint>(_ type: Endpoint.Type = Endpoint.self) -> AdminQuestion<Endpoint> {
        guard let target = RequestTarget(target) else {
            return .refused(.error(400, "target: expected /path?name=value with valid percent escapes"))
        }
        guard let endpoint = Endpoint(rawValue: String(target.path.dropFirst())), target.path.hasPrefix("/") else {
            let paths = Endpoint.allCases.map { "\($0.method) /\($0.rawValue)" }
            return .refused(.json(404, ErrorView(error: "\(target.path): no such path", paths: paths)))
        }
        // HEAD is GET without the body, which the transport leaves out.
        guard method == endpoint.method || (method == "HEAD" && endpoint.method == "GET") else {
            var response = AdminResponse.error(405, "\(target.path): expected \(endpoint.method)")
            response.allow = endpoint.method
            return .refused(response)
        }
        if endpoint.method == "POST", hasOrigin {
            return .refused(.error(403, "\(target.path): refused for a web page: the request has an Origin header"))
        }
        return .asked(endpoint, target)
    }
}
