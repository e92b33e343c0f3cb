"""The words that realistic events are made of: services, entities, messages, log lines, browsers.

Tables only. What is a real name (Spring, Tomcat, Express, Node, exception types) is the one the field
uses; the rest is the shop-floor vocabulary of web services. `«id0»` and its like are holes that
`realistic.py` fills anew for each event.
"""

from __future__ import annotations

NOUNS = """account address advert agreement airport alert allocation amount answer appointment archive article asset
assignment attachment attempt auction audit balance band bank basket batch bill block booking branch brand broker budget
bundle business buyer cache calendar campaign candidate card carrier cart case category channel charge check city claim
client clinic cluster collection comment commission company component condition contact container contract coupon course
courier credit currency customer dataset deal debit delivery deposit device diagnosis digest discount dispute document
domain donation draft driver email employee endpoint enquiry entry episode estimate exam exchange expense export feed
field file filter fleet flight folder forecast form freight fund gateway gift goal grade grant group guest hotel image
import incident index ingredient inspection installment insurance inventory invite invoice item job journal journey key
label language lead league lease lesson license limit line link listing loan location locker login lot mailbox manifest
mapping market match meal measurement media meeting member menu merchant message meter metric mission model mortgage
movie network note notice notification offer office option order outlet owner package page parcel partner passenger
passport patient payment payout payroll penalty permission phone photo picture pipeline plan playlist policy portfolio
position post prescription price product profile project promotion property provider purchase quantity query question
quota quote rate rating reading receipt recipe record redemption referral refund region reminder rental repair report
request reservation resource response result return review reward rider role room route rule sale sample schedule score
season seat section segment seller sensor session settlement shelf shift shipment shop signature site sku slot snapshot
statement station stock store stream student subscription supplier survey table target task tax team template tenant
term thread ticket tier token topic tour track trade transaction transfer trip truck unit upload usage vehicle vendor
venue verdict version video visit voucher wallet warehouse warranty webhook widget wire withdrawal workflow zone""".split()

VERBS = """accept activate add adjust aggregate allocate apply approve archive assemble assign attach authorize balance
bind book build bundle calculate cancel capture charge check claim clear close collect commit compare complete compose
compute confirm convert copy count create debit decode deliver detach determine dispatch divide drop encode enqueue
enrich ensure estimate evaluate exchange expand expire export extract fetch fill filter finalize find flush format
forward generate grant group handle hold import index insert inspect invalidate invite issue join list load lock locate
lookup map mark match measure merge migrate move normalize notify open pack parse patch persist pick plan poll post
prepare price process project promote publish pull purge push quote read rebuild receive recompute reconcile record
redeem refresh refund register reject release reload remove rename render renew replace reply report request reserve
reset resize resolve restore resume retry return reverse revoke rotate route save scan schedule score search select send
serialize settle ship sign sort split start stop store stream submit suspend swap sync tag toggle track transfer
translate trim unlock unpack update upload validate verify void watch weigh withdraw write""".split()

PROPERTIES = """amount active address apiKey archivedAt attempts available balance basePrice billing body brand capacity
category chargedAt checksum city code color comment config content count country createdAt currency current customerId
data date deletedAt depth description destination digest discount dueDate duration email enabled endsAt entries error
expiresAt external fee fields filters firstName flags format from gross groupId headers height history host id index
items key kind label language lastSeen length level limit lines locale location manager margin max meta method min mode
name net next node note offset options origin ownerId page params parent path payload percent phone position postcode
precision price priority profile progress quantity query rate ratio reason reference region remaining result retries
role rows score seats settings shard shippedAt size sku slug source stage startsAt state status step stock street
subtotal tags target tax tenantId threshold timeout title to token total type unit updatedAt url user value variant
vendor version visible volume weight width window zip zone""".split()

SERVICES = """checkout billing catalog search identity notify ledger fulfilment pricing inventory recommendations media
support analytics booking messaging payouts fraud loyalty shipping scheduler gateway reporting onboarding crm tracking
marketing telemetry documents auctions returns partners subscriptions chat geocoder exporter importer mailer
warehouse settlements""".split()

EXCEPTIONS = {
    "python": """ValueError KeyError TypeError AttributeError IndexError RuntimeError LookupError OSError TimeoutError
        ConnectionError ConnectionResetError PermissionError FileNotFoundError ZeroDivisionError NotImplementedError
        UnicodeDecodeError AssertionError ArithmeticError OverflowError StopIteration json.decoder.JSONDecodeError
        sqlalchemy.exc.IntegrityError sqlalchemy.exc.OperationalError sqlalchemy.exc.NoResultFound
        django.core.exceptions.ValidationError django.core.exceptions.ObjectDoesNotExist django.db.utils.DataError
        requests.exceptions.ReadTimeout requests.exceptions.HTTPError redis.exceptions.ConnectionError
        botocore.exceptions.ClientError celery.exceptions.SoftTimeLimitExceeded psycopg.errors.DeadlockDetected
        pydantic.ValidationError grpc.RpcError werkzeug.exceptions.BadRequestKeyError kafka.errors.CommitFailedError
        {service}.errors.{Noun}Error {service}.errors.{Noun}NotFound {service}.{noun}.Invalid{Noun}""".split(),
    "node": """TypeError Error RangeError ReferenceError SyntaxError AxiosError MongoServerError SequelizeDatabaseError
        ValidationError PrismaClientKnownRequestError JsonWebTokenError UnauthorizedError FetchError AbortError
        StripeCardError {Noun}Error {Noun}NotFoundError {Verb}{Noun}Error""".split(),
    "java": """java.lang.NullPointerException java.lang.IllegalStateException java.lang.IllegalArgumentException
        java.util.NoSuchElementException java.lang.ClassCastException java.util.ConcurrentModificationException
        java.io.IOException java.net.SocketTimeoutException java.sql.SQLIntegrityConstraintViolationException
        org.springframework.dao.DataIntegrityViolationException org.hibernate.LazyInitializationException
        org.springframework.web.client.ResourceAccessException java.lang.NumberFormatException
        com.fasterxml.jackson.databind.exc.MismatchedInputException java.util.concurrent.TimeoutException
        org.springframework.transaction.CannotCreateTransactionException java.lang.IndexOutOfBoundsException
        com.acme.{service}.{Noun}NotFoundException com.acme.{service}.{Verb}{Noun}Exception""".split(),
}

# {noun}, {other}, {prop}, {verb}: chosen once per bug. «…»: new in each event.
MESSAGES = (
    "{noun} «id0» not found",
    "{noun} «id0» not found for {other} «u0»",
    "cannot {verb} {noun} «id0»: {other} is missing {prop}",
    "could not {verb} {noun} '«w0»'",
    "invalid {prop} '«w0»' in {noun} «id0»",
    "{prop} must be between 1 and {limit}, got «n0»",
    "{verb} of {noun} «u0» timed out after «f0» seconds",
    'duplicate key value violates unique constraint "{noun}_{other}_key" DETAIL: Key ({prop})=(«id0») already exists.',
    "deadlock detected while locking {noun} «id0» and {other} «id1»",
    "unexpected status «n0» from {other} service for {noun} «u0»",
    "expected {noun}, got {other} '«w0»'",
    "{noun} «id0» is already in state {prop}",
    "insufficient {prop} for {noun} «id0»: have «f0», need «f1»",
    "{other} «u0» may not {verb} {noun} «id0»",
    "failed to {verb} {noun} batch «n0» of «n1»: {other} rejected «n2» rows",
    "no {prop} configured for {noun}",
    "{noun} version conflict: expected «n0», found «n1»",
    "quota of {other} '«w0»' exceeded by «n0» {prop}",
    "checksum mismatch for {noun} «u0»: «h0»",
    "could not parse {prop} '«day»' of {noun} «id0»",
    "division by zero",
)

PLATFORM_MESSAGES = {
    "python": (
        "'{prop}'",
        "'NoneType' object has no attribute '{prop}'",
        "invalid literal for int() with base 10: '«w0»'",
        "HTTPConnectionPool(host='{other}.internal', port=80{port}): Read timed out. (read timeout={limit})",
        "list index out of range while reading {prop} of {noun}",
        "Expecting value: line «n0» column «n1» (char «n2»)",
        "Template {noun}/{other}.html: variable '{prop}' is undefined",
    ),
    "node": (
        "Cannot read properties of undefined (reading '{prop}')",
        "{noun}.{prop} is not a function",
        "connect ECONNREFUSED 10.«b0».«b1».«b2»:{port}432",
    ),
    "java": (
        'Cannot invoke "com.acme.{service}.{Noun}.get{Other}()" because "{noun}" is null',
        "No value present",
        'For input string: "«w0»"',
        "could not initialize proxy [com.acme.{service}.{Noun}#«id0»] - no Session",
        "Connect to {other}.internal:80{port} [{other}.internal/10.«b0».«b1».«b2»] failed: Read timed out",
    ),
}

CRUMBS = (  # (category, type, level, message or None, data or None)
    (
        "query",
        "default",
        "info",
        "SELECT {noun}.id, {noun}.{prop}, {noun}.{prop2} FROM {noun} WHERE {noun}.id = %s LIMIT 21",
        None,
    ),
    (
        "query",
        "default",
        "info",
        'UPDATE "{noun}" SET "{prop}" = %s, "updated_at" = %s WHERE "{noun}"."id" = %s',
        None,
    ),
    (
        "query",
        "default",
        "info",
        "INSERT INTO {noun}_{other} ({prop}, {prop2}, created_at) VALUES (%s, %s, %s) RETURNING id",
        None,
    ),
    (
        "query",
        "default",
        "info",
        "SELECT count(*) FROM {noun} JOIN {other} ON {other}.{noun}_id = {noun}.id WHERE {other}.{prop} = %s",
        None,
    ),
    (
        "httplib",
        "http",
        "info",
        None,
        {
            "url": "http://{other}.internal/v1/{noun}s/«id»",
            "http.method": "GET",
            "http.response.status_code": "«#status»",
            "reason": "OK",
        },
    ),
    (
        "httplib",
        "http",
        "info",
        None,
        {
            "url": "https://api.{other}.example/{noun}/{verb}",
            "http.method": "POST",
            "http.query": "{prop}=«word»",
            "http.response.status_code": "«#status»",
        },
    ),
    (
        "redis",
        "redis",
        "info",
        "GET '{service}:{noun}:«id»'",
        {"redis.is_cluster": False, "redis.command": "GET", "redis.key": "{service}:{noun}:«id»"},
    ),
    ("{service}.{noun}", "log", "info", "{verb} {noun} «id» for {other} «word»", {"thread": "«#small»"}),
    ("{service}.{noun}", "log", "warning", "slow {verb}: {noun} «id» took «small» ms", None),
    ("{service}.{other}", "log", "info", "{noun} «uuid» has {prop}=«small»", None),
    ("{service}.worker", "log", "debug", "task {verb}_{noun}[«uuid»] received", None),
    ("{service}.cache", "log", "debug", "miss {noun}:«id»:{prop}", {"ttl": "«#small»"}),
    ("console", "default", "log", "{verb} {noun} «word» «id»", {"logger": "console"}),
    ("navigation", "navigation", "info", None, {"from": "/{noun}s/«id»", "to": "/{noun}s/«id»/{verb}"}),
    ("{service}.auth", "log", "info", "user «word» signed in from 10.4.«byte».«byte»", None),
    (
        "subprocess",
        "subprocess",
        "info",
        "{verb}-{noun} --{prop} «small» /var/spool/{service}/«uuid».json",
        None,
    ),
)

JAVA_ENTRIES: tuple[tuple[tuple[str, str, str | None], ...], ...] = (
    (  # Spring MVC on Tomcat
        ("java.lang.Thread", "run", "Thread.java"),
        ("org.apache.tomcat.util.threads.TaskThread$WrappingRunnable", "run", "TaskThread.java"),
        ("org.apache.tomcat.util.net.SocketProcessorBase", "run", "SocketProcessorBase.java"),
        ("org.apache.coyote.http11.Http11Processor", "service", "Http11Processor.java"),
        ("org.apache.catalina.connector.CoyoteAdapter", "service", "CoyoteAdapter.java"),
        ("org.apache.catalina.core.StandardWrapperValve", "invoke", "StandardWrapperValve.java"),
        ("org.apache.catalina.core.ApplicationFilterChain", "doFilter", "ApplicationFilterChain.java"),
        ("org.springframework.web.filter.OncePerRequestFilter", "doFilter", "OncePerRequestFilter.java"),
        ("org.springframework.web.servlet.FrameworkServlet", "processRequest", "FrameworkServlet.java"),
        ("org.springframework.web.servlet.DispatcherServlet", "doDispatch", "DispatcherServlet.java"),
        (
            "org.springframework.web.method.support.InvocableHandlerMethod",
            "invokeForRequest",
            "InvocableHandlerMethod.java",
        ),
        ("java.lang.reflect.Method", "invoke", "Method.java"),
    ),
    (  # a Kafka listener
        ("java.lang.Thread", "run", "Thread.java"),
        ("java.util.concurrent.CompletableFuture$AsyncRun", "run", "CompletableFuture.java"),
        (
            "org.springframework.kafka.listener.KafkaMessageListenerContainer$ListenerConsumer",
            "run",
            "KafkaMessageListenerContainer.java",
        ),
        (
            "org.springframework.kafka.listener.KafkaMessageListenerContainer$ListenerConsumer",
            "pollAndInvoke",
            "KafkaMessageListenerContainer.java",
        ),
        (
            "org.springframework.kafka.listener.KafkaMessageListenerContainer$ListenerConsumer",
            "doInvokeRecordListener",
            "KafkaMessageListenerContainer.java",
        ),
        (
            "org.springframework.kafka.listener.adapter.RecordMessagingMessageListenerAdapter",
            "onMessage",
            "RecordMessagingMessageListenerAdapter.java",
        ),
        ("org.springframework.kafka.listener.adapter.HandlerAdapter", "invoke", "HandlerAdapter.java"),
        ("jdk.internal.reflect.DirectMethodHandleAccessor", "invoke", "DirectMethodHandleAccessor.java"),
    ),
    (  # a scheduled task
        ("java.lang.Thread", "run", "Thread.java"),
        ("java.util.concurrent.ThreadPoolExecutor$Worker", "run", "ThreadPoolExecutor.java"),
        ("java.util.concurrent.ThreadPoolExecutor", "runWorker", "ThreadPoolExecutor.java"),
        (
            "java.util.concurrent.ScheduledThreadPoolExecutor$ScheduledFutureTask",
            "run",
            "ScheduledThreadPoolExecutor.java",
        ),
        ("java.util.concurrent.FutureTask", "runAndReset", "FutureTask.java"),
        (
            "org.springframework.scheduling.support.ScheduledMethodRunnable",
            "run",
            "ScheduledMethodRunnable.java",
        ),
        ("jdk.internal.reflect.DirectMethodHandleAccessor", "invoke", "DirectMethodHandleAccessor.java"),
    ),
)

JAVA_TAILS: tuple[tuple[tuple[str, str, str | None], ...], ...] = (
    (
        ("jdk.proxy2.$Proxy187", "findById", None),
        ("org.springframework.aop.framework.JdkDynamicAopProxy", "invoke", "JdkDynamicAopProxy.java"),
        (
            "org.springframework.transaction.interceptor.TransactionInterceptor",
            "invoke",
            "TransactionInterceptor.java",
        ),
        ("org.hibernate.internal.SessionImpl", "find", "SessionImpl.java"),
        ("org.postgresql.jdbc.PgPreparedStatement", "executeQuery", "PgPreparedStatement.java"),
    ),
    (
        ("com.fasterxml.jackson.databind.ObjectMapper", "readValue", "ObjectMapper.java"),
        ("com.fasterxml.jackson.databind.deser.BeanDeserializer", "deserialize", "BeanDeserializer.java"),
        (
            "com.fasterxml.jackson.databind.DeserializationContext",
            "reportInputMismatch",
            "DeserializationContext.java",
        ),
    ),
    (
        ("java.util.stream.ReferencePipeline", "collect", "ReferencePipeline.java"),
        ("java.util.stream.AbstractPipeline", "evaluate", "AbstractPipeline.java"),
        ("java.util.stream.ReferencePipeline$3$1", "accept", "ReferencePipeline.java"),
        ("java.util.Objects", "requireNonNull", "Objects.java"),
    ),
    (("java.util.Optional", "orElseThrow", "Optional.java"),),
)

NODE_ENTRIES = (
    (
        ("node:internal/process/task_queues", "process.processTicksAndRejections", 105),
        ("node_modules/express/lib/router/layer.js", "Layer.handle [as handle_request]", 95),
        ("node_modules/express/lib/router/route.js", "next", 149),
        ("node_modules/express/lib/router/index.js", "Function.process_params", 346),
        ("node_modules/body-parser/lib/read.js", "IncomingMessage.onEnd", 130),
    ),
    (
        ("node:internal/timers", "listOnTimeout", 581),
        ("node_modules/bullmq/dist/cjs/classes/worker.js", "Worker.processJob", 512),
        ("node_modules/bullmq/dist/cjs/classes/worker.js", "handleCompleted", 601),
    ),
    (
        ("node:internal/process/task_queues", "process.processTicksAndRejections", 105),
        ("node_modules/fastify/lib/hooks.js", "hookRunner", 214),
        ("node_modules/fastify/lib/handleRequest.js", "preHandlerCallback", 137),
    ),
)

JS_STATEMENTS = (
    "const {noun} = await this.{other}Repository.{verb}({{ id: {other}.{prop} }});",
    "const {{ {prop}, {prop2} }} = {noun};",
    "if (!{noun}.{prop}) {{",
    "}}",
    "",
    "throw new {Noun}Error(`cannot {verb} ${{{noun}.{prop}}}`);",
    "return {noun}.{prop}.map((entry) => entry.{prop2});",
    "await {verb}{Noun}({noun}, {{ {prop}: options.{prop} }});",
    "logger.info({{ {noun}: {noun}.id, {prop} }}, '{verb} {noun}');",
    "for (const {noun} of {other}.{prop}) {{",
    "total += {noun}.{prop} * {noun}.{prop2};",
    "// {verb} the {noun} before the {other} sees its {prop}",
    "const key = `${{{noun}.{prop}}}:${{{other}.id}}`;",
    "return cache.{verb}(key, () => this.{verb2}{Noun}({noun}), {limit});",
    "const response = await axios.post(`${{config.{prop}}}/{noun}s/{verb}`, {other});",
    "if (response.status !== {limit}) return null;",
    "{noun}.{prop} = new Date({other}.{prop2}).toISOString();",
    "}} catch (error) {{",
    "try {{",
    "const {other}s = Object.values({noun}.{prop}).filter(Boolean);",
    "this.{prop} = {noun}?.{prop} ?? '{other}';",
    "emitter.emit('{noun}.{verb}', {{ {noun}, at: Date.now() }});",
    "}});",
    "module.exports.{verb}{Noun} = {verb}{Noun};",
    "/** @param {{{Noun}}} {noun} @returns {{Promise<{Other}>}} */",
    "switch ({noun}.{prop}) {{",
    "case '{other}':",
    "return {verb}{Other}({noun}.{prop});",
    "const [{noun}, {other}] = await Promise.all([load{Noun}(id), {verb}{Other}(id)]);",
    "break;",
    "}} else {{",
    "}},",
    "{prop},",
    "continue;",
    "return null;",
    "{prop}: {noun}.{prop},",
    "{noun}s.push({noun});",
    "{prop}: '{other}',",
    "const {prop} = {noun}.{prop};",
    "let {prop} = {limit};",
    "next(error);",
    "if ({prop} > {limit}) {{",
    "await {noun}.{verb}();",
    "return {other};",
    ".{verb}(({noun}) => {noun}.{prop})",
    "assert({noun}.{prop} > {limit}, '{prop} too small');",
)

USER_AGENTS = (
    tuple(
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.{build}.{patch} Safari/537.36"
        for system in (
            "X11; Linux x86_64",
            "Windows NT 10.0; Win64; x64",
            "Macintosh; Intel Mac OS X 10_15_7",
            "Linux; Android 14; Pixel 8",
        )
        for major, build, patch in (
            (128, 6613, 120),
            (129, 6668, 71),
            (130, 6723, 92),
            (131, 6778, 86),
            (132, 6834, 110),
        )
    )
    + tuple(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
        for major, minor in ((16, 7), (17, 4), (17, 6), (18, 0), (18, 1), (18, 2))
    )
    + (
        "python-requests/2.32.3",
        "curl/8.10.1",
        "okhttp/4.12.0",
        "Go-http-client/2.0",
        "axios/1.7.7",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    )
)

PACKAGES = """annotated-types amqp anyio asgiref attrs billiard boto3 botocore cachetools celery certifi cffi
charset-normalizer click cryptography django django-cors-headers django-filter djangorestframework fastapi flask
gevent greenlet grpcio gunicorn httpcore httpx idna importlib-metadata itsdangerous jinja2 jmespath kombu lxml mako
markupsafe marshmallow msgpack numpy orjson packaging pandas pillow prometheus-client prompt-toolkit protobuf psycopg
pyasn1 pycparser pydantic pydantic-core pyjwt python-dateutil pytz pyyaml redis requests rsa s3transfer sentry-sdk
setuptools simplejson six sniffio sqlalchemy sqlparse starlette tenacity tornado typing-extensions tzdata urllib3
uvicorn vine wcwidth werkzeug wheel wrapt zipp""".split()

NODE_PACKAGES = """express fastify bullmq axios mongoose sequelize pg redis ioredis lodash zod jsonwebtoken stripe winston
pino dotenv helmet cors body-parser uuid date-fns dayjs nodemailer sharp passport prisma knex graphql apollo-server
kafkajs amqplib node-fetch undici ws socket.io multer ejs handlebars joi ajv rxjs typeorm nest-core""".split()

FIRST_NAMES = """ana ben chloe david elena farid greta hugo ines jonas kofi lena marco nadia oskar priya quentin rosa
samir tara umar vera wim xenia yara zoltan mei ahmed ivan sofia lucas emma noah mila leon aiko diego fatima george
hanna igor julia karim laura mehmet nina olga pablo""".split()
LAST_NAMES = """adler bianchi castro dubois eriksen fischer garcia haddad ivanova jensen kowalski larsen moreau novak
okafor petrov quist rossi silva tanaka ulrich varga weber xu yilmaz zhang brown khan lee martin nowak singh smith
sato schmidt wang""".split()
