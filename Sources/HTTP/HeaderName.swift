/// Field names that somebody in the proxy asks for; all others are `other`, and found by their bytes.
///
/// The first ones are those the codec itself acts upon. No more than 64: see `bit`.
public enum HeaderName: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// Any name that is not in this list.
    case other = 0
    /// What framing, connection handling and addressing depend on.
    case host, connection, contentLength, transferEncoding, te, trailer, upgrade, keepAlive, proxyConnection, expect
    /// The client, its credentials, and the way here.
    case http2Settings, proxyAuthenticate, proxyAuthorization, authorization, wwwAuthenticate, cookie, setCookie,
        userAgent
    /// Who has asked, and what proxies say about it.
    case xForwardedFor, xForwardedProto, xForwardedHost, forwarded, via, xRequestId, traceparent, tracestate
    /// Content and its negotiation.
    case contentType, contentEncoding, contentLanguage, contentLocation, contentRange, accept, acceptEncoding
    /// More of that.
    case acceptLanguage, range, ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange
    /// Responses, and caches.
    case date, server, location, retryAfter, etag, lastModified, cacheControl, expires, age, vary, pragma, maxForwards
    /// Where a request comes from, in a browser's words.
    case origin, referer
    /// gRPC: the status may also be in a head without a body.
    case grpcStatus, grpcMessage, grpcTimeout

    /// The name in lower case.
    public var text: StaticString {
        switch self {
        case .other: ""
        case .host: "host"
        case .connection: "connection"
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .te: "te"
        case .trailer: "trailer"
        case .upgrade: "upgrade"
        case .keepAlive: "keep-alive"
        case .proxyConnection: "proxy-connection"
        case .expect: "expect"
        case .http2Settings: "http2-settings"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyAuthorization: "proxy-authorization"
        case .authorization: "authorization"
        case .wwwAuthenticate: "www-authenticate"
        case .cookie: "cookie"
        case .setCookie: "set-cookie"
        case .userAgent: "user-agent"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedProto: "x-forwarded-proto"
        case .xForwardedHost: "x-forwarded-host"
        case .forwarded: "forwarded"
        case .via: "via"
        case .xRequestId: "x-request-id"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .contentType: "content-type"
        case .contentEncoding: "content-encoding"
        case .contentLanguage: "content-language"
        case .contentLocation: "content-location"
        case .contentRange: "content-range"
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .acceptLanguage: "accept-language"
        case .range: "range"
        case .ifMatch: "if-match"
        case .ifNoneMatch: "if-none-match"
        case .ifModifiedSince: "if-modified-since"
        case .ifUnmodifiedSince: "if-unmodified-since"
        case .ifRange: "if-range"
        case .date: "date"
        case .server: "server"
        case .location: "location"
        case .retryAfter: "retry-after"
        case .etag: "etag"
        case .lastModified: "last-modified"
        case .cacheControl: "cache-control"
        case .expires: "expires"
        case .age: "age"
        case .vary: "vary"
        case .pragma: "pragma"
        case .maxForwards: "max-forwards"
        case .origin: "origin"
        case .referer: "referer"
        case .grpcStatus: "grpc-status"
        case .grpcMessage: "grpc-message"
        case .grpcTimeout: "grpc-timeout"
        }
    }
}
