import { Option, type Command } from 'commander'
import { addAdmissionOptions } from './admission.js'
import { balancerNames, parseBalancerName } from './balancer-name.js'
import { collectHashOn } from './hash-on.js'
import { addLayerOptions } from './layers.js'
import { parseListen } from './listen.js'
import { collect, collectHosts } from './names.js'
import { addStickyOptions } from './sticky.js'
import { MAX_TIMEOUT_MS, wholeNumber } from './whole-number.js'

/** Adds every option of the sidecar, each with the variable that stands in for it. */
export function addFlags(command: Command): void {
  command
    .addOption(
      new Option('--listen <host:port>', 'where applications send their requests')
        .env('FAIRLEAD_LISTEN')
        .default({ host: '127.0.0.1', port: 4140 }, '127.0.0.1:4140')
        .argParser(parseListen),
    )
    .addOption(
      new Option('--admin <host:port>', 'where /healthz, /readyz, /endpoints and /explain are')
        .env('FAIRLEAD_ADMIN')
        .default({ host: '127.0.0.1', port: 4191 }, '127.0.0.1:4191')
        .argParser(parseListen),
    )
    .addOption(
      new Option(
        '--allowed-host <name>',
        'accept this Host on --admin and beside fairlead-service; repeatable, or separated by commas',
      )
        .env('FAIRLEAD_ALLOWED_HOST')
        .default([], 'none')
        .argParser(collectHosts),
    )
    .addOption(
      new Option('--consul <address>', 'the Consul agent (default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500)'),
    )
    .addOption(
      new Option('--datacenter <name>', "the datacenter of the instances (default: the agent's own)").env(
        'FAIRLEAD_DATACENTER',
      ),
    )
    .addOption(
      new Option(
        '--failover <datacenter>',
        'a datacenter to fail over to when there are too few instances; repeatable, or separated by commas',
      )
        .env('FAIRLEAD_FAILOVER')
        .default([], "as Consul's service-resolver configures")
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--snapshot-dir <folder>',
        'save the last known instances there, to start without Consul',
      ).env('FAIRLEAD_SNAPSHOT_DIR'),
    )
    .addOption(
      new Option('--service <name>', 'watch this service from the start; repeatable, or separated by commas')
        .env('FAIRLEAD_SERVICE')
        .default([], 'none')
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--ready-min <n>',
        'instances that each --service must have had for /readyz; 0: an answer from Consul is enough',
      )
        .env('FAIRLEAD_READY_MIN')
        .default(0)
        .argParser(wholeNumber(0, 10_000)),
    )
    .addOption(
      new Option(
        '--balancer <name>',
        "how an instance is chosen (default: Consul's service-resolver, else peak_ewma)",
      )
        .env('FAIRLEAD_BALANCER')
        // Choices are for the help; the parser rejects other names, with a suggestion.
        .choices(balancerNames)
        .argParser(parseBalancerName),
    )
    .addOption(
      new Option(
        '--hash-on <part>',
        'the hash key of ring_hash, maglev and rendezvous, as below; repeatable, or separated by commas',
      )
        .env('FAIRLEAD_HASH_ON')
        .default([], "as Consul's service-resolver configures, else no key")
        .argParser(collectHashOn),
    )
    .addOption(
      new Option(
        '--timeout <ms>',
        "until the head of a response, all attempts included (default: Consul's service-resolver, else 30000)",
      )
        .env('FAIRLEAD_TIMEOUT')
        .argParser(wholeNumber(1, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option(
        '--body-timeout <ms>',
        'how long an instance may be silent within a response, event streams included; 0: indefinitely',
      )
        .env('FAIRLEAD_BODY_TIMEOUT')
        .default(300_000)
        .argParser(wholeNumber(0, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option(
        '--max-response-header-bytes <n>',
        'the largest response head, 256 to 2^30; a larger one fails its request (default: 16384)',
      )
        .env('FAIRLEAD_MAX_RESPONSE_HEADER_BYTES')
        .argParser(wholeNumber(256, 2 ** 30)),
    )
    .addOption(
      new Option(
        '--application-timeout <ms>',
        'how long an application may pause within a request body, or in reading a response; 0: indefinitely',
      )
        .env('FAIRLEAD_APPLICATION_TIMEOUT')
        .default(300_000)
        .argParser(wholeNumber(0, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option('--drain-timeout <ms>', 'how long requests in flight may take after SIGTERM')
        .env('FAIRLEAD_DRAIN_TIMEOUT')
        .default(30_000)
        .argParser(wholeNumber(0, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option(
        '--idle-timeout <ms>',
        'stop watching a service that had no request for this long, unless it is a --service',
      )
        .env('FAIRLEAD_IDLE_TIMEOUT')
        .default(600_000)
        .argParser(wholeNumber(1000, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option('--max-services <n>', 'the limit of services; each costs a connection to the agent')
        .env('FAIRLEAD_MAX_SERVICES')
        .default(100)
        .argParser(wholeNumber(1, 10_000)),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log, as JSON lines on standard output')
        .env('FAIRLEAD_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
  addLayerOptions(command)
  addAdmissionOptions(command)
  addStickyOptions(command)
}
