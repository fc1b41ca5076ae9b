extension Configuration {
    /// Virtual hosts with their rules, named by listeners and table entries.
    public struct RouteTable: Sendable, Equatable {
        /// Unique name.
        public var name: String
        /// No two of them have one domain.
        public var virtualHosts: [VirtualHost]

        /// A route table.
        public init(name: String, virtualHosts: [VirtualHost]) {
            self.name = name
            self.virtualHosts = virtualHosts
        }
    }

    /// What requests for some domains meet.
    public struct VirtualHost: Sendable, Equatable {
        /// The most specific one of the table decides.
        public var domains: [Domain]
        /// The first that matches decides.
        public var rules: [Rule]

        /// A virtual host.
        public init(domains: [Domain], rules: [Rule]) {
            self.domains = domains
            self.rules = rules
        }
    }

    /// One rule of a virtual host.
    public struct Rule: Sendable, Equatable {
        /// For counters and logs; nil: its place, see `RouteName`.
        public var name: String?
        /// What it is for.
        public var match: RequestMatch
        /// What it does.
        public var action: RuleAction
        /// In order, after those of the listener.
        public var filters: [Filter]
        /// Made for a listener without a route table.
        public var isImplicit: Bool

        /// A rule.
        public init(
            name: String? = nil, match: RequestMatch = RequestMatch(), action: RuleAction, filters: [Filter] = [],
            isImplicit: Bool = false
        ) {
            self.name = name
            self.match = match
            self.action = action
            self.filters = filters
            self.isImplicit = isImplicit
        }
    }

    /// What a rule does with a request.
    public enum RuleAction: Sendable, Equatable {
        /// To an endpoint of a cluster.
        case forward(Forwarding)
        /// Answered here.
        case respond(status: Int, body: String)
        /// Sent elsewhere.
        case redirect(Redirect)
    }

    /// Conditions on a request, all of which must hold.
    public struct RequestMatch: Sendable, Equatable {
        /// A condition on the normalised path, without the query.
        public enum Path: Sendable, Equatable {
            /// It begins with this text.
            case prefix(String)
            /// It is this text.
            case exact(String)
            /// All of it is what this PCRE2 pattern describes.
            case regex(String)
        }
        /// nil: any.
        public var path: Path?
        /// One of these, in upper case as a rule (methods are case-sensitive). Empty: any.
        public var methods: [String]
        /// Header fields; names in lower case.
        public var headers: [ValueMatch]
        /// Parameters of the query, as they are written there (not decoded).
        public var query: [ValueMatch]

        /// Conditions.
        public init(
            path: Path? = nil, methods: [String] = [], headers: [ValueMatch] = [], query: [ValueMatch] = []
        ) {
            self.path = path
            self.methods = methods
            self.headers = headers
            self.query = query
        }

        /// Whether every request matches.
        public var isAny: Bool { path == nil && methods.isEmpty && headers.isEmpty && query.isEmpty }
    }

    /// A condition on the values that have a name. It holds when one of them passes the test.
    public struct ValueMatch: Sendable, Equatable {
        /// What is asked of a value.
        public enum Test: Sendable, Equatable {
            /// It is this text, begins with it, or is all of it what this PCRE2 pattern describes.
            case exact(String), prefix(String), regex(String)
            /// There is a value; there is none.
            case present, absent
        }
        /// Whose values.
        public var name: String
        /// See `Test`.
        public var test: Test

        /// A condition.
        public init(name: String, _ test: Test) {
            self.name = name
            self.test = test
        }
    }
}
