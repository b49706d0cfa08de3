// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: Swift 6 mode, warnings are errors, and an async function runs where its
/// caller runs, so that no job strays onto the global pool (docs/architecture.md, Executors).
let swiftSettings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .treatAllWarnings(as: .error),
        // Exclusive access is checked while running in debug builds and under the sanitizers, which
        // all tests run in. In release builds the checks would take a third of a call's CPU.
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
    ]
    // Mistakes for the simulator to find (Sources/API/DeliberateBug.swift): in builds of `make bugs`.
    + (Context.environment["CAIRN_BUGS"] == nil ? [] : [.define("CAIRN_BUGS")])

func library(_ name: String, path: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path, swiftSettings: swiftSettings)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], resources: [String] = []
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests",
        resources: resources.map { .copy($0) }, swiftSettings: swiftSettings)
}

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(
        name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "cairn",
    products: [
        .executable(name: "cairn", targets: ["cairn"]),
        .executable(name: "cairn-bench", targets: ["cairn-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // The benchmark alone needs it.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // C libraries, from Debian's packages.
        system("CLibuv", pkgConfig: "libuv", apt: "libuv1-dev"),
        system("CNghttp2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
        system("CLMDB", pkgConfig: "lmdb", apt: "liblmdb-dev"),
        system("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev"),
        system("CSSL", pkgConfig: "libssl", apt: "libssl-dev"),
        system("CCrypt", pkgConfig: "libxcrypt", apt: "libcrypt-dev"),
        system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        system("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        system("CProtobufC", pkgConfig: "libprotobuf-c", apt: "libprotobuf-c-dev"),
        .target(
            name: "CMessages", dependencies: ["CProtobufC"], path: "Sources/C/CMessages",
            exclude: ["proto"]),
        .target(name: "CSupport", path: "Sources/C/CSupport"),

        // The layers, lowest first; an import only ever points down (docs/architecture.md).
        library("API", path: "Sources/API", ["CMessages", "CProtobufC", "CSupport"]),
        library(
            "Transport", path: "Sources/Transport",
            [
                "API", "CLibuv", "CNghttp2", "CSSL", "CSupport", "CZlib",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        library(
            "Storage", path: "Sources/Storage",
            [
                "API", "CLMDB", "CSupport", "CZstd",
                .product(name: "Logging", package: "swift-log"),
            ]),
        library(
            "Consensus", path: "Sources/Consensus",
            [
                "API", "CSupport", .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        library(
            "Services", path: "Sources/Services",
            [
                "API", "Transport", "Storage", "Consensus", "CCrypt", "COpenSSL",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        library(
            "Node", path: "Sources/Node",
            [
                "API", "Transport", "Storage", "Consensus", "Services", "CSupport",
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Programs.
        .executableTarget(
            name: "cairn", dependencies: ["Node"], path: "Sources/Tools/cairn",
            swiftSettings: swiftSettings,
            // The program to deploy brings Swift's runtime along, of which it needs a part.
            linkerSettings: [
                .unsafeFlags(["-static-stdlib"], .when(configuration: .release))
            ]),
        .executableTarget(
            name: "cairn-bench",
            dependencies: [
                "API", "Transport", "Storage", "Services", "Node",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
            ], path: "Benchmarks/cairn-bench", swiftSettings: swiftSettings),
        .executableTarget(
            name: "cairn-chaos",
            dependencies: [
                "API", "Transport", "Checkers", "Workloads", "Faults", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Chaos", swiftSettings: swiftSettings),

        // What several test targets share: a deterministic executor, seeded chance.
        library("TestSupport", path: "Tests/TestSupport", ["API", "Transport", "CLMDB", "CSSL"]),
        // Networks that can be cut and links that are slow, for members in processes.
        library("Faults", path: "Tests/Faults", []),
        // Histories of what clients saw, and whether a correct store could have made them.
        library("Checkers", path: "Tests/Checkers", []),
        // Clients that make such histories, in the simulator and over sockets.
        library("Workloads", path: "Tests/Workloads", ["API", "Checkers"]),

        // Whole members in virtual time (docs/simulation.md).
        library(
            "Simulation", path: "Tests/Simulation",
            [
                "API", "Transport", "Consensus", "Storage", "Services", "Node", "TestSupport",
                "Checkers", "Workloads",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "simulate",
            dependencies: [
                "Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Simulate", swiftSettings: swiftSettings),

        // Shows a test every sync that is made, LMDB's too.
        .target(name: "CSyncWatch", path: "Tests/SyncWatch"),
        tests(
            "Simulation",
            ["simulate", "Simulation", "CSyncWatch", "API", "Storage", "Services", "TestSupport"]),
        tests("API", ["API"]),
        tests("Checkers", ["Checkers", "TestSupport"]),
        tests("Transport", ["Transport", "API", "TestSupport"]),
        tests("Consensus", ["Consensus", "API", "TestSupport"], resources: ["Scenarios"]),
        tests("Storage", ["Storage", "API", "TestSupport"]),
        tests("WAL", ["Storage", "API", "CSupport"], resources: ["Fixtures"]),
        tests("Services", ["Services", "API", "Storage", "Consensus", "Transport", "TestSupport"]),
        tests(
            "Node",
            ["Node", "API", "Transport", "Services", "Storage", "Consensus", "TestSupport"],
            resources: ["Reference"]),
        tests(
            "EndToEnd", ["Node", "API", "Transport", "TestSupport", "Faults"],
            resources: ["Python", "Upgrade"]),
    ]
)

// What libFuzzer drives. An ordinary build has its rules and corpora as tests; libFuzzer brings a
// main of its own, so its programs are built apart from all else (Scripts/fuzz.sh).
let fuzzed: [Target.Dependency] = [
    "API", "CMessages", "Consensus", "Services", "Storage", "TestSupport",
]
if Context.environment["CAIRN_FUZZ"] == nil {
    package.targets.append(tests("Fuzzing", fuzzed, resources: ["Corpus"]))
} else {
    package.targets.append(
        .target(
            name: "Fuzzing", dependencies: fuzzed, path: "Tests/FuzzingTests",
            exclude: ["Corpus", "CorpusTests.swift"], swiftSettings: swiftSettings))
    for name in ["FuzzRequests", "FuzzTxn", "FuzzTokens"] {
        package.targets.append(
            .executableTarget(
                name: name, dependencies: ["Fuzzing"], path: "Tests/Fuzzers/\(name)",
                swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])]))
    }
}
