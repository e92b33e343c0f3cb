"""Log messages of twenty-four kinds of systems, written after how such systems log: templates with slots, and values for them.

A line is a weight (how often it occurs against the others) and a template; `{slot}` names a maker of values
below. The header (time, level, process) is no part of a message. What is one template here is what a person who knows the system would call one: lines were written from knowledge of the
systems, and no data set was copied. The rules were made looking at the kinds in SEEN, those in HELD_OUT
were only measured at first (0.742); mail addresses in angle brackets, pods and UUIDs that end a name came from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

SEEN = (
    "hdfs", "zookeeper", "openssh", "windows", "android", "hpc", "openstack", "apache",
    "hadoop", "spark", "bluegene", "cluster", "linux", "macos", "health", "proxy",
)  # fmt: skip
HELD_OUT = ("nginx", "postgres", "kubernetes", "kafka", "postfix", "redis", "jenkins", "systemd")

SYSTEMS: dict[str, str] = {
    "hdfs": """
30 Receiving block blk_{big} src: /{ip}:{port} dest: /{ip}:{port}
25 PacketResponder {small} for block blk_{big} terminating
25 Received block blk_{big} of size {num} from /{ip}
20 BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:{port} is added to blk_{big} size {num}
12 BLOCK* NameSystem.allocateBlock: {hpath}. blk_{big}
10 BLOCK* NameSystem.delete: blk_{big} is added to invalidSet of {ip}:{port}
10 Deleting block blk_{big} file {hpath}/blk_{big}
9 Verification succeeded for blk_{big}
6 {ip}:{port} Served block blk_{big} to /{ip}
5 {ip}:{port}:Got exception while serving blk_{big} to /{ip}:
4 BLOCK* ask {ip}:{port} to replicate blk_{big} to datanode(s) {iplist}
2 {ip}:{port} Starting thread to transfer block blk_{big} to {ip}:{port}
2 Unexpected error trying to delete block blk_{big}. BlockInfo not found in volumeMap.
""",
    "hadoop": """
20 Address change detected. Old: {host}/{ip}:{port} New: {host}:{port}
15 Retrying rpc call to server {host}:{port}. Already tried {small} time(s); maxRetries={small}
12 Container released on a lost node container_{big}_{small}_{small}_{num}
12 Progress of TaskAttempt attempt_{big}_{small}_m_{num}_{small} is : {float}
10 attempt_{big}_{small}_m_{num}_{small} TaskAttempt Transitioned from NEW to UNASSIGNED
9 attempt_{big}_{small}_m_{num}_{small} TaskAttempt Transitioned from UNASSIGNED to ASSIGNED
9 task_{big}_{small}_r_{num} Task Transitioned from SCHEDULED to RUNNING
8 ERROR IN CONTACTING RM.
8 Communication exception: java.net.NoRouteToHostException: No Route to Host from {host}/{ip} to {host}:{port} failed on socket timeout
7 Assigned container container_{big}_{small}_{small}_{num} to attempt_{big}_{small}_m_{num}_{small}
6 Before Scheduling: PendingReds:{small} ScheduledMaps:{small} ScheduledReds:{small} AssignedMaps:{small} CompletedMaps:{small} ContAlloc:{small}
5 Recalculating schedule, headroom=<memory:{num}, vCores:{small}>
5 Diagnostics report from attempt_{big}_{small}_m_{num}_{small}: Error: java.io.IOException: Connection reset by peer
4 JVM with ID : jvm_{big}_{small}_m_{num} asked for a task
4 Received completed container container_{big}_{small}_{small}_{num}
3 Registering class org.apache.hadoop.mapreduce.{cls} for class org.apache.hadoop.mapreduce.{cls}
2 Jetty bound to port {port}
2 Using callQueue class java.util.concurrent.LinkedBlockingQueue
""",
    "spark": """
30 Found block rdd_{small}_{small} locally
20 Running task {float} in stage {float} (TID {num})
18 Finished task {float} in stage {float} (TID {num}). {num} bytes result sent to driver
15 Block broadcast_{small}_piece{small} stored as bytes in memory (estimated size {kb} KB, free {kb} KB)
12 Block broadcast_{small} stored as values in memory (estimated size {kb} KB, free {kb} MB)
10 Input split: hdfs://{host}:{port}{hpath}:{num}+{num}
9 Got assigned task {num}
8 Reading broadcast variable {small} took {small} ms
7 Started reading broadcast variable {small}
5 Times: total = {num}, boot = {signed}, init = {num}, finish = {small}
4 attempt_{big}_{small}_m_{num}_{small}: Committed
4 Saved output of task 'attempt_{big}_{small}_m_{num}_{small}' to hdfs://{host}:{port}{hpath}
3 Changing view acls to: {users}
3 Changing modify acls to: {users}
2 SecurityManager: authentication disabled; ui acls disabled; users with view permissions: Set({users}); users with modify permissions: Set({users})
2 Successfully started service 'sparkExecutorActorSystem' on port {port}.
1 Created local directory at {upath}
1 MemoryStore started with capacity {float} GB
""",
    "zookeeper": """
25 Received connection request /{ip}:{port}
20 Notification time out: {num}
18 Cannot open channel to {small} at election address /{ip}:{port}
12 Interrupted while waiting for message on queue
10 Connection broken for id {big}, my id = {small}, error =
10 Closed socket connection for client /{ip}:{port} which had sessionid 0x{hex}
8 Client attempting to establish new session at /{ip}:{port}
8 Established session 0x{hex} with negotiated timeout {num} for client /{ip}:{port}
6 Expiring session 0x{hex}, timeout of {num}ms exceeded
5 caught end of stream exception
5 Processed session termination for sessionid: 0x{hex}
4 Send worker leaving thread
3 Got user-level KeeperException when processing sessionid:0x{hex} type:create cxid:0x{hex} zxid:0x{hex} txntype:{signed} reqpath:n/a Error Path:{upath} Error:KeeperErrorCode = NodeExists for {upath}
2 Snapshotting: 0x{hex} to {upath}/snapshot.{hex}
2 FOLLOWING - LEADER ELECTION TOOK - {num}
""",
    "openstack": """
25 {ip} "GET /v2/{hex32}/servers/detail HTTP/1.1" status: {status} len: {num} time: {float}
15 [instance: {uuid}] VM Started (Lifecycle Event)
12 [instance: {uuid}] Took {float} seconds to spawn the instance on the hypervisor.
12 [instance: {uuid}] Attempting claim: memory {num} MB, disk {small} GB, vcpus {small} CPU
10 image {uuid} at ({upath}): checking
10 image {uuid} at ({upath}): in use: on this node {small} local, {small} on other nodes sharing this instance storage
8 Unknown base file: {upath}
6 [instance: {uuid}] Total memory: {num} MB, used: {float} MB
6 Running instance usage audit for host {host} from {stamp} to {stamp}. {small} instances.
5 [instance: {uuid}] During sync_power_state the instance has a pending task (spawning). Skip.
4 [instance: {uuid}] memory limit: {float} MB, free: {float} MB
3 Successfully synced instances from host '{host}'.
2 HTTP exception thrown: No instances found for any event
2 [instance: {uuid}] Deletion of {upath}_del complete
""",
    "bluegene": """
25 generating core.{num}
15 instruction cache parity error corrected
14 CE sym {small}, at 0x{hex}, mask 0x{hexbyte}
12 {small} double-hummer alignment exceptions
10 ciod: failed to read message prefix on control stream (CioStream socket to {ip}:{port}
9 ddr: excessive soft failures, consider replacing the card
8 total of {small} ddr error(s) detected and corrected
7 rts: kernel terminated for reason {num}
6 data TLB error interrupt
6 ciod: Error loading {upath}: invalid or missing program image, No such file or directory
5 iar {hex} dear {hex}
4 r{twodigit}=0x{hex} r{twodigit}=0x{hex} r{twodigit}=0x{hex} r{twodigit}=0x{hex}
4 {num} floating point alignment exceptions
3 ciod: LOGIN chdir({upath}) failed: No such file or directory
3 program interrupt: illegal instruction......{bit}
3 program interrupt: privileged instruction...{bit}
2 machine check: i-fetch......................{bit}
2 critical input interrupt (unit=0x{hexbyte} bit=0x{hexbyte}): warning for torus y+ wire
1 MidplaneSwitchController performing bit sparing on R{twodigit}-M{bit}-L{small}-U{small}-A bit {small}
""",
    "hpc": """
25 PSU status ( on on )
15 Component State Change: Component "SCSI-WWID:{big}:{num}" is in the unavailable state (HWID={num})
12 boot (command {num}) Error: one or more nodes failed: node-[{small}-{num}]
12 Fan speeds ( {num} {num} {num} {num} {num} {num} )
10 Link error on broadcast tree Interconnect-{nodelink}
9 ambient={small}
8 Temperature ({small}C) exceeds warning threshold
7 node node-{num} has detected an available network connection on network {ip} via interface {iface}
6 node node-{num} detected a failed network connection on network {ip} via interface {iface}
5 risBoot Command has been aborted: command {num}
4 ServerFileSystem: An ServerFileSystem domain panic has occurred on storage{num}
3 node status: configured out
3 NIFF: node node-{num} has detected an available network connection via {iface}
2 Targeting domains:node-D{small} and nodes:node-[{small}-{num}] child of command {num}
""",
    "cluster": """
25 session opened for user {user} by (uid={small})
20 session closed for user {user}
15 ({user}) CMD ({upath} {upath})
12 connect from {ip} ({ip})
10 {hex8}: from={user}, size={num}, class={small}, nrcpts={small}, msgid=<{stampid}@{host}>, relay={user}@localhost
10 {hex8}: to={user}, ctladdr={user} ({num}/{num}), delay=00:00:{twodigit}, xdelay=00:00:{twodigit}, mailer=relay, pri={num}, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent ({hex8} Message accepted for delivery)
9 synchronized to {ip}, stratum {small}
8 data_thread() got not answer from any [{tb}] datasource
7 DHCPDISCOVER from {mac} via {iface}
6 DHCPOFFER on {ip} to {mac} via {iface}
5 Losing some ticks... checking if CPU frequency changed.
4 {hex8}: clone {hex8}, owner={user}
4 removing device node '{upath}'
3 check pass; user unknown
3 START: {service} pid={num} from={ip}
2 EXIT: {service} pid={num} duration={small}(sec)
""",
    "windows": """
25 Loaded Servicing Stack v6.1.{num}.{num} with Core: {wpath}\\cbscore.dll
15 SQM: Initializing online with Windows opt-in: False
12 Warning: Unrecognized packageExtended attribute.
12 Session: {big}_{big} initialized by client WindowsUpdateAgent.
10 Read out cached package applicability for package: {wpkg}, ApplicableState: {num}, CurrentState:{small}
9 Failed to internally open package. [HRESULT = 0x{hex8} - CBS_E_INVALID_PACKAGE]
8 Starting TrustedInstaller finalization.
6 SQM: Requesting upload of all unsent reports.
5 SQM: Failed to start upload with file pattern: {wpath}\\*.sqm, flags: 0x{small} [HRESULT = 0x{hex8} - E_FAIL]
5 Creating NT transaction (seq {small}), objectname [{small}]"(null)"
4 Created NT transaction (seq {small}) result 0x{hex8}, handle @0x{hex8}
3 Expecting attribute name [HRESULT = 0x{hex8} - CBS_E_MANIFEST_INVALID_ITEM]
2 Startup processing thread terminated normally
2 {hex8} [SR] Beginning Verify and Repair transaction
""",
    "linux": """
25 authentication failure; logname= uid={small} euid={small} tty=NODEVssh ruser= rhost={ip}
15 authentication failure; logname= uid={small} euid={small} tty=NODEVssh ruser= rhost={host} user={user}
15 session opened for user {user} by (uid={small})
15 session closed for user {user}
12 connection from {ip} ({host}) at {bsddate}
10 connection from {ip} () at {bsddate}
9 check pass; user unknown
7 ALERT exited abnormally with [{small}]
6 {service} startup succeeded
6 {service} shutdown succeeded
5 Kerberos authentication failed
4 CPU {small}: Machine Check Exception: {hex16}
4 audit({float}:{small}): initialized
3 ANONYMOUS FTP LOGIN FROM {ip}, (anonymous)
3 usbcore: registered new driver {module}
3 Out of Memory: Killed process {num} ({service}).
2 Memory: {num}k/{num}k available ({num}k kernel code, {num}k reserved, {num}k data)
2 klogd {float}, log source = {upath} started.
""",
    "macos": """
20 ARPT: {float}: wl0: wl_update_tcpkeep_seq: Original Seq: {num}, Ack: {num}, Win size: {num}
15 ARPT: {float}: AirPort_Brcm43xx::syncPowerState: WWEN[enabled]
12 Thermal pressure state: {small} Memory pressure state: {small}
10 [{stamp}] <kATAModelNumber> is not recognized: {small}
10 Sandbox: {proc}({num}) deny(1) mach-lookup com.apple.{module}
8 {proc}[{num}]: CFNetwork SSLHandshake failed ({signed})
8 [com.apple.xpc.{module}] Service exited with abnormal code: {small}
6 AirPort: Link Down on {iface}. Reason {small} (Disassociated because station leaving).
6 en0: channel changed to {small},{small}
5 PM notification timeout (pid {num}, {proc})
5 Wake reason: {wake}
4 Previous sleep cause: {small}
4 hibernate image path: {upath}
3 Bluetooth -- LE is supported - Disable LE meta event
3 IOThunderboltSwitch<{small}>(0x{small})::listenerCallback - Thunderbolt HPD packet for route = 0x{small} port = {small} unplug = {small}
2 RTC: PowerByCalendarDate setting ignored
2 network changed: v4(en0-:{ip}) DNS- Proxy-
""",
    "android": """
20 acquire lock={num}, flags=0x{small}, tag="{tag}", name=com.android.{module}, ws=null, uid={num}, pid={num}
18 release lock={num}, flg=0x{small}, tag="{tag}", name=com.android.{module}", ws=null, uid={num}, pid={num}
12 getRunningAppProcesses: caller {num} does not hold REAL_GET_TASKS; limiting output
12 printFreezingDisplayLogsopening app wtoken = AppWindowToken{{hex7} token=Token{{hex7} ActivityRecord{{hex7} u0 com.tencent.{module}/.{cls} t{num}}}}, allDrawn= false, startingDisplayed = false
10 Skipping AppWindowToken{{hex7} token=Token{{hex7} ActivityRecord{{hex7} u0 com.tencent.{module}/.{cls} t{num}}}} -- going to hide
9 HBM brightnessIn ={small}
9 HBM brightnessOut ={small}
8 setSystemUiVisibility vis={hex} mask={hex} oldVal={hex} newVal={hex} diff={small} fullscreenStackVis={small}
6 userActivityNoUpdateLocked: eventTime={num}, event={small}, flags=0x{small}, uid={num}
5 onReceive action: android.intent.action.{action}
5 visible is system.time.showampm
4 Animating brightness: target={small}, rate={num}
3 Bad activity token: android.os.BinderProxy@{hex7}
2 updateLightsLocked. ledOn:{bool}
""",
    "health": """
25 onStandStepChanged {num}
18 onExtend:{big} {small} {small} {small}
15 calculateCaloriesWithCache totalCalories={num}
15 getTodayTotalDetailSteps = {big}##{num}##{num}##{num}##{num}##{big}
12 setTodayTotalDetailSteps={big}##{num}##{num}##{num}##{num}##{big}
10 calculateAltitudeWithCache totalAltitude={small}
8 REPORT : {num} {num} {num} {num}
6 onReceive action: android.intent.action.{action}
5 processHandleBroadcastAction action:android.intent.action.{action}
4 flush sensor data
4 upLoadHealthData
3 saveHealthDetailData() size = {small}
3 initDataPrivacy the dataPrivacy is {bool}
2 tryToReloadTodayBasicSteps
2 repeat {stampid}
""",
    "apache": """
25 jk2_init() Found child {num} in scoreboard slot {small}
20 workerEnv.init() ok {upath}
15 mod_jk child workerEnv in error state {small}
12 [client {ip}] Directory index forbidden by rule: {upath}/
8 [client {ip}] File does not exist: {upath}
6 jk2_init() Can't find child {num} in scoreboard
5 mod_jk child init {small} {signed}
3 [client {ip}] script not found or unable to stat: {upath}
3 child pid {num} exit signal Segmentation fault (11)
2 server reached MaxClients setting, consider raising the MaxClients setting
2 AH00163: Apache/2.4.{small} (Unix) configured -- resuming normal operations
1 caught SIGTERM, shutting down
""",
    "openssh": """
20 Failed password for root from {ip} port {port} ssh2
15 Failed password for invalid user {user} from {ip} port {port} ssh2
14 Received disconnect from {ip}: 11: Bye Bye [preauth]
12 pam_unix(sshd:auth): authentication failure; logname= uid={small} euid={small} tty=ssh ruser= rhost={ip} user=root
10 pam_unix(sshd:auth): authentication failure; logname= uid={small} euid={small} tty=ssh ruser= rhost={ip}
10 Invalid user {user} from {ip}
10 input_userauth_request: invalid user {user} [preauth]
9 pam_unix(sshd:auth): check pass; user unknown
6 Connection closed by {ip} [preauth]
6 reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!
4 Did not receive identification string from {ip}
3 Accepted password for {user} from {ip} port {port} ssh2
3 Too many authentication failures for root [preauth]
2 error: Received disconnect from {ip}: 3: com.jcraft.jsch.JSchException: Auth fail [preauth]
""",
    "nginx": """
20 *{num} open() "{upath}/favicon.ico" failed (2: No such file or directory), client: {ip}, server: {host}, request: "GET {upath} HTTP/1.1", host: "{host}"
15 *{num} connect() failed (111: Connection refused) while connecting to upstream, client: {ip}, server: {host}, request: "POST {upath} HTTP/1.1", upstream: "http://{ip}:{port}{upath}", host: "{host}"
12 *{num} upstream timed out (110: Connection timed out) while reading response header from upstream, client: {ip}, server: {host}, request: "GET {upath}?id={num} HTTP/2.0", upstream: "http://{ip}:{port}{upath}"
10 *{num} client intended to send too large body: {num} bytes, client: {ip}, server: {host}, request: "POST {upath} HTTP/1.1", host: "{host}"
8 *{num} no live upstreams while connecting to upstream, client: {ip}, server: {host}, request: "GET / HTTP/1.1", upstream: "http://backend/", host: "{host}"
6 *{num} SSL_do_handshake() failed (SSL: error:{hex8}:SSL routines::bad key share) while SSL handshaking, client: {ip}, server: 0.0.0.0:443
5 *{num} directory index of "{upath}/" is forbidden, client: {ip}, server: {host}, request: "GET / HTTP/1.1", host: "{ip}"
4 signal process started
3 worker process {num} exited on signal 9
3 {num} worker_connections are not enough
2 conflicting server name "{host}" on 0.0.0.0:80, ignored
""",
    "postgres": """
18 duplicate key value violates unique constraint "{ident}_pkey"
15 connection received: host={ip} port={port}
14 connection authorized: user={user} database={ident} application_name={service}
12 disconnection: session time: 0:00:{twodigit}.{num} user={user} database={ident} host={ip} port={port}
10 duration: {float} ms  statement: SELECT * FROM {ident} WHERE id = {num}
9 checkpoint complete: wrote {num} buffers ({float}%); 0 WAL file(s) added, {small} removed, {small} recycled; write={float} s, sync={float} s, total={float} s
8 relation "{ident}" does not exist at character {small}
7 password authentication failed for user "{user}"
6 automatic vacuum of table "{ident}.public.{ident}": index scans: {small}
5 process {num} still waiting for ShareLock on transaction {num} after {float} ms
5 could not receive data from client: Connection reset by peer
4 canceling statement due to statement timeout
3 temporary file: path "base/pgsql_tmp/pgsql_tmp{num}.{small}", size {num}
3 database system was interrupted; last known up at {stamp} UTC
2 remaining connection slots are reserved for roles with the SUPERUSER attribute
""",
    "kubernetes": """
20 Successfully pulled image "{reg}" in {float}s
18 Back-off restarting failed container {ident} in pod {pod}_default({uuid})
15 Readiness probe failed: Get "http://{ip}:{port}/healthz": dial tcp {ip}:{port}: connect: connection refused
14 Created container {ident}
12 Successfully assigned default/{pod} to {node}
10 Scaled up replica set {ident}-{hex8} to {small}
9 Stopping container {ident}
8 Liveness probe failed: HTTP probe failed with statuscode: {status}
7 MountVolume.SetUp failed for volume "{ident}-token" : secret "{ident}-token" not found
6 0/{small} nodes are available: {small} Insufficient memory, {small} node(s) had untolerated taint.
5 Failed to pull image "{reg}": rpc error: code = Unknown desc = failed to resolve reference "{reg}": unexpected status code 401 Unauthorized
4 Node {node} status is now: NodeNotReady
3 error syncing pod {uuid}, skipping: failed to "StartContainer" for "{ident}" with CrashLoopBackOff
2 Evicted pod {pod}: The node was low on resource: memory. Threshold quantity: 100Mi, available: {num}Ki.
""",
    "kafka": """
20 [ReplicaFetcher replicaId={small}, leaderId={small}, fetcherId=0] Partition {ident}-{small} has an older epoch ({small}) than the current leader.
15 [Log partition={ident}-{small}, dir={upath}] Rolled new log segment at offset {num} in {small} ms.
14 [GroupCoordinator {small}]: Preparing to rebalance group {ident}-consumer in state PreparingRebalance with old generation {small} (__consumer_offsets-{small})
12 [GroupCoordinator {small}]: Member consumer-{small}-{uuid} in group {ident}-consumer has failed, removing it from the group
10 [Partition {ident}-{small} broker={small}] ISR updated to {small},{small} and version updated to [{small}]
9 [SocketServer brokerId={small}] Failed authentication with /{ip} (Unexpected Kafka request of type METADATA during SASL handshake.)
8 [Producer clientId=producer-{small}] Got error produce response with correlation id {num} on topic-partition {ident}-{small}, retrying ({small} attempts left). Error: NOT_LEADER_FOR_PARTITION
6 [Controller id={small}] Partition {ident}-{small} completed preferred replica leader election
5 [LogCleaner] Deleting segment files LogSegment(baseOffset={num}, size={num}, lastModifiedTime={big})
4 Creating topic {ident} with configuration {} and initial partition assignment
3 Session 0x{hex} for server {host}/{ip}:{port}, unexpected error, closing socket connection and attempting reconnect
2 [KafkaServer id={small}] shut down completed
""",
    "postfix": """
20 connect from {host}[{ip}]
18 disconnect from {host}[{ip}] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands={small}
15 {hexup}: to=<{user}@{host}>, relay={host}[{ip}]:25, delay={float}, delays={float}/{float}/{float}/{float}, dsn=2.0.0, status=sent (250 2.0.0 OK {num})
14 {hexup}: from=<{user}@{host}>, size={num}, nrcpt={small} (queue active)
12 {hexup}: removed
10 {hexup}: client={host}[{ip}]
9 NOQUEUE: reject: RCPT from {host}[{ip}]: 554 5.7.1 <{user}@{host}>: Relay access denied; from=<{user}@{host}> to=<{user}@{host}> proto=ESMTP helo=<{host}>
8 warning: hostname {host} does not resolve to address {ip}: Name or service not known
7 lost connection after AUTH from {host}[{ip}]
6 warning: {host}[{ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6
5 {hexup}: message-id=<{stampid}@{host}>
4 statistics: max connection rate {small}/60s for (smtp:{ip}) at Jun {small} 10:{twodigit}:{twodigit}
3 timeout after END-OF-MESSAGE from {host}[{ip}]
""",
    "redis": """
20 Accepted {ip}:{port}
18 {num} changes in {num} seconds. Saving...
16 Background saving started by pid {num}
14 DB saved on disk
12 RDB: {small} MB of memory used by copy-on-write
10 Client closed connection
9 Replica {ip}:{port} asks for synchronization
8 Full resync requested by replica {ip}:{port}
6 Connection with replica {ip}:{port} lost.
5 Client id={num} addr={ip}:{port} fd={small} name= age={num} idle={small} flags=N db=0 cmd=get scheduled to be closed ASAP for overcoming of output buffer limits.
4 Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis.
3 WARNING: The TCP backlog setting of {num} cannot be enforced because {upath}/somaxconn is set to the lower value of {num}.
2 MASTER <-> REPLICA sync: receiving {num} bytes from master to disk
""",
    "jenkins": """
18 {ident} #{num} main build action completed: SUCCESS
15 Started by user {user}
14 Connection #{num} from {host}/{ip}:{port} failed
12 Accepted JNLP4-connect connection #{num} from /{ip}:{port}
10 Terminating build of {ident} #{num} after {small} minutes
9 Finished Download metadata. {num} ms
8 Agent {node} went offline: Connection was broken: java.io.IOException: Connection aborted: hudson.remoting.Channel@{hex7}:{node}
7 Computer.threadPoolForRemoting [#{num}]: Queue item {num} was cancelled by {user}
6 Failed to monitor {node} for Free Disk Space
5 Loading plugin {ident} failed: {ident} v{small}.{small} is missing
4 Jenkins is fully up and running
3 Workspace {upath} does not exist on node {node}
2 Obtained Jenkinsfile from git https://{host}{upath}.git
""",
    "systemd": """
20 Started Session {num} of user {user}.
18 Starting {service}.service - {ident} daemon...
15 {service}.service: Main process exited, code=exited, status={small}/FAILURE
14 {service}.service: Failed with result 'exit-code'.
12 {service}.service: Scheduled restart job, restart counter is at {small}.
10 {service}.service: Consumed {float}s CPU time.
9 Created slice user-{num}.slice - User Slice of UID {num}.
8 session-{num}.scope: Deactivated successfully.
7 Reached target multi-user.target - Multi-User System.
6 {service}.service: State 'stop-sigterm' timed out. Killing.
5 {service}.service: Killing process {num} ({service}) with signal SIGKILL.
4 dev-disk-by\x2duuid-{uuid}.device: Job dev-disk-by\x2duuid-{uuid}.device/start timed out.
3 Mounted {upath}.
2 Detected virtualization kvm.
""",
    "proxy": """
25 {host}:{port} open through proxy {host}:{port} HTTPS
20 {host}:{port} close, {num} bytes sent, {num} bytes received, lifetime <{small} sec
15 {host}:{port} close, {num} bytes ({kbf} KB) sent, {num} bytes ({kbf} KB) received, lifetime {twodigit}:{twodigit}
9 {host}:{port} error : Could not connect through proxy {host}:{port} - Proxy server cannot establish a connection with the target, status code {status}
6 {host}:{port} error : Could not connect to proxy {host}:{port} - Could not resolve {host} error {num}
4 {host}:{port} error : A connection request was canceled before the completion.
3 {host}:{port} open through proxy {host}:{port} SOCKS5
""",
}

_USERS = "root admin test oracle guest news cyrus ftpuser pgsql webmaster git nagios jenkins backup mysql ubuntu deploy".split()
_SERVICES = (
    "sshd crond syslogd klogd portmap snmpd named cups rsync sendmail httpd ftpd smbd ntpd xinetd irqbalance".split()
)
_MODULES = (
    "launcher settings phone wechat keyguard systemui camera hub usbfs serial loginwindow locationd powerd".split()
)
_IDENTIFIERS = (
    "orders payments users_api inventory checkout mailer search_index auth frontend reports sessions invoices".split()
)
_CLASSES = "LauncherUI MainActivity JobId TaskAttemptID TextInput SplashActivity ChatUI JobHistory".split()
_ACTIONS = "SCREEN_ON SCREEN_OFF TIME_TICK BATTERY_CHANGED USER_PRESENT CLOSE_SYSTEM_DIALOGS".split()
_PROCESSES = (
    "Safari WeChat QQ GoogleSoftwareUpdate com.apple.WebKit.WebContent Microsoft-Word mDNSResponder iTunes".split()
)
_TAGS = ["View Lock", "*launch*", "RILJ", "AudioMix", "SyncLoopWakeLock", "WindowManager", "*alarm*"]
_LABELS = "www mail proxy static cdn api node compute gw ns db web files clients imap update".split()
_DOMAINS = "cse.cuhk.edu.hk example.com google.com sina.com.cn baidu.jp mit.edu wanadoo.fr t-online.de hinet.net telesp.net.br local".split()
_FOLDERS = "var usr etc home opt data user tmp lib log spool conf jobs root share".split()
_WAKES = ["UHC1", "EC.LidOpen (User)", "RTC (Alarm)", "XHC1 (HID Activity)", "ARPT (Network)", "?"]


def _digits(rng: Random, low: int, high: int) -> str:
    return str(rng.randint(10**low, 10**high))


def _hex(rng: Random, length: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(length))


def _path(rng: Random) -> str:
    return "".join(
        f"/{rng.choice(_FOLDERS)}{rng.choice(('', '', rng.randint(1, 99)))}" for _ in range(rng.randint(2, 5))
    )


def _host(rng: Random) -> str:
    return f"{rng.choice(_LABELS)}{rng.choice(('', rng.randint(1, 40)))}.{rng.choice(_DOMAINS)}"


def _ip(rng: Random) -> str:
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def _stamp(rng: Random) -> str:
    return f"2017-0{rng.randint(1, 9)}-{rng.randint(10, 28)} {rng.randint(10, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}"


MAKERS: dict[str, Callable[[Random], str]] = {
    "small": lambda rng: str(rng.randint(0, 40)),
    "bit": lambda rng: str(rng.randint(0, 1)),
    "twodigit": lambda rng: f"{rng.randint(0, 59):02}",
    "num": lambda rng: _digits(rng, 2, rng.randint(3, 6)),
    "signed": lambda rng: rng.choice(("", "-")) + _digits(rng, 0, 4),
    "big": lambda rng: rng.choice(("", "", "-")) + _digits(rng, 11, 13) if rng.random() < 0.3 else _digits(rng, 12, 18),
    "float": lambda rng: f"{rng.uniform(0, 400):.{rng.randint(1, 6)}f}",
    "kb": lambda rng: f"{rng.uniform(1, 400):.1f}",
    "kbf": lambda rng: f"{rng.uniform(1, 400):.2f}",
    "port": lambda rng: str(rng.randint(22, 65000)),
    "status": lambda rng: rng.choice(("200", "204", "404", "500", "403", "503")),
    "ip": _ip,
    "iplist": lambda rng: " ".join(f"{_ip(rng)}:{rng.randint(1000, 65000)}" for _ in range(rng.randint(1, 3))),
    "host": _host,
    "user": lambda rng: rng.choice(_USERS),
    "users": lambda rng: ",".join(rng.sample(_USERS, rng.randint(1, 3))),
    "service": lambda rng: rng.choice(_SERVICES),
    "module": lambda rng: rng.choice(_MODULES),
    "cls": lambda rng: rng.choice(_CLASSES),
    "action": lambda rng: rng.choice(_ACTIONS),
    "proc": lambda rng: rng.choice(_PROCESSES),
    "ident": lambda rng: rng.choice(_IDENTIFIERS),
    "node": lambda rng: f"{rng.choice(('node', 'worker', 'agent', 'gke-pool'))}-{rng.randint(1, 30)}",
    "pod": lambda rng: f"{rng.choice(_IDENTIFIERS).replace('_', '-')}-{_hex(rng, 9)}-{''.join(rng.choices('bcdfghjklmnpqrstvwxz2456789', k=5))}",
    "reg": lambda rng: f"{_host(rng)}/{rng.choice(_IDENTIFIERS)}:v{rng.randint(1, 4)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
    "hexup": lambda rng: _hex(rng, 10).upper(),
    "tag": lambda rng: rng.choice(_TAGS),
    "wake": lambda rng: rng.choice(_WAKES),
    "bool": lambda rng: rng.choice(("true", "false")),
    "hex": lambda rng: _hex(rng, rng.randint(6, 14)),
    "hexbyte": lambda rng: _hex(rng, 2),
    "hex7": lambda rng: _hex(rng, 7),
    "hex8": lambda rng: _hex(rng, 8),
    "hex16": lambda rng: _hex(rng, 16),
    "hex32": lambda rng: _hex(rng, 32),
    "uuid": lambda rng: "-".join(_hex(rng, length) for length in (8, 4, 4, 4, 12)),
    "mac": lambda rng: ":".join(_hex(rng, 2) for _ in range(6)),
    "iface": lambda rng: rng.choice(("eth", "en", "alt", "ee")) + str(rng.randint(0, 3)),
    "nodelink": lambda rng: f"{rng.randint(0, 1)}T{rng.randint(0, 9):02}:{rng.randint(0, 3)}:{rng.randint(0, 9)}",
    "tb": lambda rng: f"Thunderbird_{rng.choice('ABCDE')}{rng.randint(1, 8)}",
    "upath": _path,
    "hpath": lambda rng: f"{_path(rng)}/part-{rng.randint(0, 99999):05}",
    "wpath": lambda rng: "C:" + _path(rng).replace("/", "\\"),
    "wpkg": lambda rng: f"Package_{rng.randint(1, 9)}_for_KB{_digits(rng, 6, 6)}~{_hex(rng, 16)}~amd64~~6.1.{rng.randint(1, 3)}.{rng.randint(0, 9)}",
    "stamp": _stamp,
    "stampid": lambda rng: f"2005{_digits(rng, 9, 9)}.{_hex(rng, 8).upper()}",
    "bsddate": lambda rng: f"{rng.choice(('Mon', 'Tue', 'Sat'))} {rng.choice(('Jun', 'Jul'))} {rng.randint(10, 28)} {rng.randint(10, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)} 2005",
}  # fmt: skip


def messages(system: str, count: int, seed: int = 1) -> list[tuple[int, str]]:
    """So many messages of a system: (number of the template, message)."""
    rng = Random(f"{seed}/{system}")
    weights, templates = [], []
    for line in SYSTEMS[system].strip().splitlines():
        weight, _, template = line.partition(" ")
        weights.append(int(weight))
        templates.append(template)
    return [
        (number, _filled(templates[number], rng)) for number in rng.choices(range(len(templates)), weights, k=count)
    ]


def _filled(template: str, rng: Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: MAKERS[match[1]](rng), template)
