"""A queue of jobs, in JavaScript and Python, with guilty and harmless commits: what the judging of commits was never tried on."""

from __future__ import annotations

import sys

from tests.analysis.histories import Edit
from tests.analysis.stations import Station

_NODE = {
    "package.json": '{"name": "jobs"}\n',
    "src/config.js": """exports.settings = {
  retries: 3,
  queues: { mail: { workers: 2, limit: 5 }, video: { workers: 1, limit: 2 } },
  owner: { name: 'ops', contact: { mail: 'ops@example.com' } },
};
""",
    "src/jobs.js": """const { settings } = require('./config');

class Job {
  constructor(id, queue, payload) {
    this.id = id;
    this.queue = queue;
    this.payload = payload;
    this.attempts = [];
  }

  get size() {
    return this.payload ? this.payload.length : 0;
  }

  tried(error) {
    this.attempts.push({ error, at: Date.now() });
  }

  isExhausted() {
    return this.attempts.length >= settings.retries;
  }
}

exports.Job = Job;
""",
    "src/store.js": """const { Job } = require('./jobs');

const jobs = new Map();

exports.add = (id, queue, payload) => {
  jobs.set(id, new Job(id, queue, payload));
};

exports.find = (id) => jobs.get(id);

exports.pending = (queue) => [...jobs.values()].filter((job) => job.queue === queue);
""",
    "src/workers.js": """const { settings } = require('./config');
const store = require('./store');

function allotted(queue) {
  const found = settings.queues[queue];
  return found ? found.workers : 0;
}

function pick(queue) {
  const jobs = store.pending(queue);
  if (!jobs.length) return null;
  return jobs.sort((a, b) => a.size - b.size)[0];
}

function describe(job) {
  return `${job.id}:${job.queue.toUpperCase()}:${job.size}`;
}

function work(queue) {
  const job = pick(queue);
  if (job === null) return 'idle';
  job.tried(null);
  return `${describe(job)} by ${allotted(queue).toFixed(0)}`;
}

module.exports = { work, allotted };
""",
    "src/mail.js": """const { settings } = require('./config');

exports.recipient = () => settings.owner.contact.mail.trim();

exports.footer = (lines) => lines[lines.length - 1].trim();
""",
    "index.js": """const store = require('./src/store');
const workers = require('./src/workers');
const mail = require('./src/mail');

function run() {
  store.add('a1', 'mail', 'hello');
  store.add('a2', 'mail', null);
  const done = ['mail', 'video'].map((queue) => workers.work(queue));
  console.log(done.join('\\n'));
  console.log(mail.recipient(), mail.footer(done));
  console.log(store.find('a1').isExhausted());
}

run();
""",
}
JAVASCRIPT = Station(
    ("node",), (("node", "index.js"),), _NODE,
    [
        Edit("src/config.js", "retries: 3", "retries: 5", "Try more often"),
        Edit("src/config.js", "workers: 2, limit: 5", "workers: 4, limit: 5", "Hire two workers"),
        Edit("src/jobs.js", "  tried(error) {\n", "  // Remembers when, too.\n  tried(error) {\n", "Explain tried"),
        Edit("src/jobs.js", "this.attempts.push({ error, at: Date.now() });", "const at = Date.now();\n    this.attempts.push({ error, at });", "Read the clock first"),
        Edit("src/workers.js", "a.size - b.size", "b.size - a.size", "Do the largest jobs first"),
        Edit("src/workers.js", "  job.tried(null);\n", "  job.tried(null);\n  console.debug('working');\n", "Say when work is done"),
        Edit("src/workers.js", "function describe(job) {\n", "/** For logs. */\nfunction describe(job) {\n", "Document describe"),
        Edit("src/store.js", "exports.find = (id) => jobs.get(id);", "exports.find = (key) => jobs.get(key);", "Call it a key"),
        Edit("src/mail.js", "exports.footer", "// The last line.\nexports.footer", "Explain the footer"),
        Edit("index.js", "'hello'", "'hello world'", "Greet the world"),
        Edit("index.js", "const done = ['mail', 'video'].map((queue) => workers.work(queue));", "const queues = ['mail', 'video'];\n  const done = queues.map((queue) => workers.work(queue));", "Name the queues"),
    ],
    [
        Edit("src/workers.js", "  if (!jobs.length) return null;\n", "", "Trust the queue to have jobs"),
        Edit("src/workers.js", "if (job === null) return 'idle';", "if (job === null) return 0;", "Count what was done"),
        Edit("src/jobs.js", "return this.payload ? this.payload.length : 0;", "return this.payload.length;", "Every job has a payload"),
        Edit("src/store.js", "filter((job) => job.queue === queue);", "filter((job) => job.queue === queue).map((job) => job.payload);", "Hand out payloads"),
        Edit("src/config.js", "contact: { mail: 'ops@example.com' }", "contacts: [{ mail: 'ops@example.com' }]", "Allow several contacts"),
        Edit("src/jobs.js", "    this.attempts = [];\n", "", "Create attempts when there are any"),
        Edit("src/store.js", "  jobs.set(id,", "  jobs.set(`${queue}/${id}`,", "Keep ids apart by queue"),
        Edit("src/workers.js", "return found ? found.workers : 0;", "return found && found.worker;", "Simplify the allotment"),
        Edit("src/mail.js", "lines[lines.length - 1].trim()", "lines[lines.length].trim()", "Count the footer too"),
        Edit("src/jobs.js", "return this.attempts.length >= settings.retries;", "return this.attempts.at(-1).error.length >= settings.retries;", "Judge by the last attempt"),
    ],
)  # fmt: skip

_PYTHON = {
    "pyproject.toml": '[project]\nname = "jobs"\n',
    "jobs/__init__.py": "",
    "jobs/config.py": """SETTINGS = {
    "retries": 3,
    "queues": {"mail": {"workers": 2, "limit": 5}, "video": {"workers": 1, "limit": 2}},
    "owner": {"name": "ops", "contact": {"mail": "ops@example.com"}},
}
""",
    "jobs/job.py": """from jobs.config import SETTINGS


class Job:
    def __init__(self, key, queue, payload):
        self.key = key
        self.queue = queue
        self.payload = payload
        self.attempts = []

    @property
    def size(self):
        return len(self.payload) if self.payload else 0

    def tried(self, error):
        self.attempts.append((error, len(self.attempts)))

    def is_exhausted(self):
        return len(self.attempts) >= SETTINGS["retries"]
""",
    "jobs/store.py": """from jobs.job import Job

JOBS = {}


def add(key, queue, payload):
    JOBS[key] = Job(key, queue, payload)


def find(key):
    return JOBS[key]


def pending(queue):
    return [job for job in JOBS.values() if job.queue == queue]
""",
    "jobs/workers.py": """from jobs import store
from jobs.config import SETTINGS


def allotted(queue):
    found = SETTINGS["queues"].get(queue)
    return found["workers"] if found else 0


def pick(queue):
    jobs = store.pending(queue)
    if not jobs:
        return None
    return sorted(jobs, key=lambda job: job.size)[0]


def describe(job):
    return f"{job.key}:{job.queue.upper()}:{job.size}"


def work(queue):
    job = pick(queue)
    if job is None:
        return "idle"
    job.tried(None)
    return describe(job) + " by " + str(allotted(queue) + 0)
""",
    "jobs/mail.py": """from jobs.config import SETTINGS


def recipient():
    return SETTINGS["owner"]["contact"]["mail"].strip()


def footer(lines):
    return lines[len(lines) - 1].strip()
""",
    "run.py": """from jobs import mail, store, workers


def run():
    store.add("a1", "mail", "hello")
    store.add("a2", "mail", None)
    done = [workers.work(queue) for queue in ("mail", "video")]
    print("\\n".join(done))
    print(mail.recipient(), mail.footer(done))
    print(store.find("a1").is_exhausted())


run()
""",
}
PYTHON = Station(
    ("python3",), ((sys.executable, "run.py"),), _PYTHON,
    [
        Edit("jobs/config.py", '"retries": 3', '"retries": 5', "Try more often"),
        Edit("jobs/config.py", '"workers": 2, "limit": 5', '"workers": 4, "limit": 5', "Hire two workers"),
        Edit("jobs/job.py", "    def tried(self, error):\n", '    def tried(self, error):\n        """Remember an attempt."""\n', "Document tried"),
        Edit("jobs/job.py", "        self.attempts.append((error, len(self.attempts)))\n", "        number = len(self.attempts)\n        self.attempts.append((error, number))\n", "Count first"),
        Edit("jobs/workers.py", "key=lambda job: job.size)", "key=lambda job: -job.size)", "Do the largest jobs first"),
        Edit("jobs/workers.py", "    job.tried(None)\n", '    job.tried(None)\n    print("working")\n', "Say when work is done"),
        Edit("jobs/workers.py", "def describe(job):\n", 'def describe(job):\n    """For logs."""\n', "Document describe"),
        Edit("jobs/store.py", "def pending(queue):\n", "def pending(queue):\n    # In their order.\n", "Explain pending"),
        Edit("jobs/mail.py", "def footer(lines):\n", "def footer(lines):\n    # The last line.\n", "Explain the footer"),
        Edit("run.py", '"hello"', '"hello world"', "Greet the world"),
        Edit("run.py", '    done = [workers.work(queue) for queue in ("mail", "video")]\n', '    queues = ("mail", "video")\n    done = [workers.work(queue) for queue in queues]\n', "Name the queues"),
    ],
    [
        Edit("jobs/workers.py", "    if not jobs:\n        return None\n", "", "Trust the queue to have jobs"),
        Edit("jobs/workers.py", '        return "idle"\n', "        return 0\n", "Count what was done"),
        Edit("jobs/job.py", "return len(self.payload) if self.payload else 0", "return len(self.payload)", "Every job has a payload"),
        Edit("jobs/store.py", "[job for job in JOBS", "[job.payload for job in JOBS", "Hand out payloads"),
        Edit("jobs/config.py", '"contact": {"mail": "ops@example.com"}', '"contacts": [{"mail": "ops@example.com"}]', "Allow several contacts"),
        Edit("jobs/job.py", "        self.attempts = []\n", "", "Create attempts when there are any"),
        Edit("jobs/store.py", "    JOBS[key] = Job", '    JOBS[f"{queue}/{key}"] = Job', "Keep keys apart by queue"),
        Edit("jobs/workers.py", 'return found["workers"] if found else 0', 'return found and found["worker"]', "Simplify the allotment"),
        Edit("jobs/mail.py", "lines[len(lines) - 1].strip()", "lines[len(lines)].strip()", "Count the footer too"),
        Edit("jobs/job.py", 'return len(self.attempts) >= SETTINGS["retries"]', 'return self.attempts[-1][1] > SETTINGS["retries"]["until"]', "Judge by the last attempt"),
    ],
)  # fmt: skip
QUEUES = {"javascript": JAVASCRIPT, "python": PYTHON}
