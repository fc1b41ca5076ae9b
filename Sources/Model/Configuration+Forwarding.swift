extension Configuration {
    /// How a rule sends requests on.
    public struct Forwarding: Sendable, Equatable {
        /// By weight, any sum. One or more.
        public var targets: [Target]
        /// For the whole exchange, from the request's head to the response's end; nil: none.
        public var timeout: Duration?
        /// nil: no second attempt but the one that needs no permission (nothing of the request had been sent).
        public var retry: RetryPolicy?
        /// Also requests whose method is not idempotent are sent again.
        public var retriesNonIdempotent: Bool
        /// What ring hash and Maglev hash; nil: the client's address.
        public var hashOn: HashKey?
        /// Before the request is sent on.
        public var requestHeaders: HeaderChanges
        /// Before the response is sent back.
        public var responseHeaders: HeaderChanges
        /// Another path, another host.
        public var rewrite: Rewrite
        /// Who gets copies of requests; their answers are dropped.
        public var mirrors: [Mirror]

        /// How to send on.
        public init(
            targets: [Target], timeout: Duration? = nil, retry: RetryPolicy? = nil, retriesNonIdempotent: Bool = false,
            hashOn: HashKey? = nil, requestHeaders: HeaderChanges = HeaderChanges(),
            responseHeaders: HeaderChanges = HeaderChanges(), rewrite: Rewrite = Rewrite(), mirrors: [Mirror] = []
        ) {
            self.targets = targets
            self.timeout = timeout
            self.retry = retry
            self.retriesNonIdempotent = retriesNonIdempotent
            self.hashOn = hashOn
            self.requestHeaders = requestHeaders
            self.responseHeaders = responseHeaders
            self.rewrite = rewrite
            self.mirrors = mirrors
        }
    }

    /// One of the clusters that requests of a rule go to.
    public struct Target: Sendable, Equatable {
        /// The cluster's name.
        public var cluster: String
        /// Relative share.
        public var weight: Int
        /// Only endpoints that have all of these labels; empty: all endpoints.
        public var labels: [String: String]

        /// A target.
        public init(cluster: String, weight: Int = 1, labels: [String: String] = [:]) {
            self.cluster = cluster
            self.weight = weight
            self.labels = labels
        }
    }

    /// Who gets copies.
    public struct Mirror: Sendable, Equatable {
        /// The cluster's name.
        public var cluster: String
        /// Of how many requests, 0...1.
        public var share: Double

        /// A mirror.
        public init(cluster: String, share: Double = 1) {
            self.cluster = cluster
            self.share = share
        }
    }

    /// What requests must share to meet one endpoint.
    public enum HashKey: Sendable, Equatable {
        /// A header field's value; name in lower case.
        case header(String)
        /// A cookie's value.
        case cookie(String)
        /// The client's address.
        case sourceAddress
        /// The path, without the query.
        case path
    }

    /// Changes to a head: first `remove`, then `set`, then `add`. Names in lower case.
    public struct HeaderChanges: Sendable, Equatable {
        /// One field.
        public struct Field: Sendable, Equatable {
            /// In lower case.
            public var name: String
            /// See `HeaderTemplate`.
            public var value: HeaderTemplate

            /// A field.
            public init(name: String, value: HeaderTemplate) {
                self.name = name
                self.value = value
            }
        }
        /// In place of what is there.
        public var set: [Field]
        /// Beside what is there.
        public var add: [Field]
        /// All fields of that name.
        public var remove: [String]

        /// Changes.
        public init(set: [Field] = [], add: [Field] = [], remove: [String] = []) {
            self.set = set
            self.add = add
            self.remove = remove
        }

        /// Whether nothing changes.
        public var isEmpty: Bool { self.set.isEmpty && add.isEmpty && remove.isEmpty }
    }

    /// What an upstream sees instead; nil: as it is.
    public struct Rewrite: Sendable, Equatable {
        /// In place of the prefix (or of the exact path) that the rule matched.
        public var prefix: String?
        /// Host and, if wanted, port.
        public var host: String?

        /// A rewrite.
        public init(prefix: String? = nil, host: String? = nil) {
            self.prefix = prefix
            self.host = host
        }
    }

    /// Where a client is sent; what is nil stays as it is, and so does the query.
    public struct Redirect: Sendable, Equatable {
        /// `http` or `https`.
        public var scheme: String?
        /// Host and, if wanted, port.
        public var host: String?
        /// In place of the prefix that the rule matched. Not beside `path`.
        public var prefix: String?
        /// In place of the whole path.
        public var path: String?
        /// 301, 302, 303, 307 or 308.
        public var status: Int

        /// A redirect.
        public init(
            scheme: String? = nil, host: String? = nil, prefix: String? = nil, path: String? = nil, status: Int = 302
        ) {
            self.scheme = scheme
            self.host = host
            self.prefix = prefix
            self.path = path
            self.status = status
        }
    }
}
