//! What reaches outside of the program: connections and child processes.

use super::lang::{C, EX, GO, JS, JVM, NET, PHP, PY, RB, RS, SH};
use super::{Idiom, Reach, idiom};
use crate::policy::Rule;

const PROCESS: &str = "starts a process";
const NETWORK: &str = "opens a connection";

const fn of(
    languages: u16,
    what: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Idiom {
    let place = (languages, Reach::Production);
    idiom(Rule::NetworkOrProcessAdded, place, what, literals, pattern)
}

#[rustfmt::skip]
pub(super) const IDIOMS: &[Idiom] = &[
    of(PY, PROCESS, &["subprocess", "os.", "pty.", "ctypes", "shell"],
        r"\bsubprocess\b|\bos\s*\.\s*(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?|fork|forkpty|posix_spawnp?|startfile)\s*\(|\bpty\s*\.\s*spawn\b|^\s*import\s+ctypes\b|\bshell\s*=\s*True\b"),
    of(PY, NETWORK, &["socket", "urllib", "urlopen", "http.client", "requests", "httpx", "aiohttp", "paramiko", "smtplib", "ftplib", "telnetlib"],
        r"\bsocket\s*\.\s*(?:socket|create_connection|create_server)\s*\(|\burllib\.request\b|\burlopen\s*\(|\bhttp\.client\b|\brequests\s*\.\s*(?:get|post|put|delete|patch|head|request|Session)\s*\(|\b(?:import|from)\s+(?:socket|requests|httpx|aiohttp|paramiko|smtplib|ftplib|telnetlib)\b|\b(?:httpx|aiohttp)\s*\.\s*\w+\s*\("),
    of(JS, PROCESS, &["child_process", "execsync", "execfilesync", "spawnsync", "execa", "deno.", "bun.spawn"],
        r"\bchild_process\b|\b(?:execSync|execFileSync|spawnSync|execa)\s*\(|\bDeno\s*\.\s*(?:run|Command)\b|\bBun\s*\.\s*spawn"),
    of(JS, NETWORK, &["fetch", "xmlhttprequest", "websocket", "axios", "http", "\"net\"", "'net'", "node:net", "node:tls", "dgram", "sendbeacon"],
        r#"(?:^|[^.\w$])fetch\s*\(\s*[^\s)]|\bXMLHttpRequest\b|\bnew\s+WebSocket\b|\baxios\b|(?:\bfrom\s*|\brequire\s*\(\s*|\bimport\s*\(?\s*)["'](?:node:)?(?:https?|http2|net|dgram|tls)["']|\bsendBeacon\s*\("#),
    of(RS, PROCESS, &["command"], r"\bCommand\s*::\s*new\b|\bprocess\s*::\s*Command\b"),
    of(RS, NETWORK, &["tcpstream", "tcplistener", "udpsocket", "unixstream", "reqwest", "ureq"], r"\b(?:TcpStream|TcpListener|UdpSocket|UnixStream|UnixListener)\b|\b(?:reqwest|ureq)\s*::"),
    of(GO, PROCESS, &["os/exec", "exec.", "startprocess", "forkexec"], r#""os/exec"|\bexec\s*\.\s*Command(?:Context)?\s*\(|\b(?:os\.StartProcess|syscall\.(?:Exec|ForkExec))\b"#),
    of(GO, NETWORK, &["net.", "http.", "net/http"], r#"\bnet\s*\.\s*(?:Dial|Listen)\w*\s*\(|\bhttp\s*\.\s*(?:Get|Post|PostForm|Head|NewRequest\w*|DefaultClient|ListenAndServe\w*|Client\s*\{)|"net/http""#),
    of(RB, PROCESS, &["open3", "popen", "kernel", "system", "spawn", "%x", "fork"], r#"\bOpen3\b|\bIO\s*\.\s*popen\b|\bKernel\s*\.\s*(?:system|exec|spawn|fork)\b|(?:^|[^.\w:"'@])(?:system|spawn|exec)\s*\(?\s*["'\[]|%x[\[({|]|\bProcess\s*\.\s*(?:spawn|fork)\b"#),
    of(RB, NETWORK, &["net::http", "net/http", "tcpsocket", "udpsocket", "faraday", "httparty", "open-uri", "uri.open"], r"\bNet::HTTP\b|\bnet/https?\b|\b(?:TCP|UDP|UNIX)Socket\b|\bFaraday\b|\bHTTParty\b|\bopen-uri\b|\bURI\s*\.\s*open\b"),
    of(PHP, PROCESS, &["exec", "system", "passthru", "proc_open", "popen"], r"(?:^|[^>:\w$])(?:exec|shell_exec|system|passthru|proc_open|popen|pcntl_exec)\s*\("),
    of(PHP, NETWORK, &["curl_", "fsockopen", "stream_socket", "guzzle", "://"], r#"\bcurl_(?:multi_)?(?:init|exec)\s*\(|\bp?fsockopen\s*\(|\bstream_socket_client\s*\(|\bGuzzleHttp\b|\bfile_get_contents\s*\(\s*["'](?:https?|ftp)://"#),
    of(JVM, PROCESS, &["getruntime", "processbuilder"], r"\bgetRuntime\s*\(\s*\)\s*\.\s*exec\b|\bProcessBuilder\b"),
    of(JVM, NETWORK, &["socket(", "urlconnection", "httpclient", "openstream", "resttemplate", "webclient", "okhttp"], r"\b(?:Server)?Socket\s*\(|\bHttps?URLConnection\b|\bHttpClient\b|\.\s*openStream\s*\(|\bRestTemplate\b|\bWebClient\b|\bOkHttpClient\b"),
    of(NET, PROCESS, &["process.start", "processstartinfo"], r"\bProcess\s*\.\s*Start\s*\(|\bProcessStartInfo\b"),
    of(NET, NETWORK, &["httpclient", "webclient", "tcpclient", "udpclient", "new socket"], r"\b(?:HttpClient|WebClient|TcpClient|UdpClient)\b|\bnew\s+Socket\s*\("),
    of(EX, PROCESS, &["system.", "port.open", ":os.cmd"], r"\bSystem\s*\.\s*(?:cmd|shell)\b|\bPort\s*\.\s*open\b|:os\.cmd\b"),
    of(EX, NETWORK, &["httpoison", "req.", "finch", "gen_tcp", "httpc", "tesla"], r"\bHTTPoison\b|\bReq\s*\.\s*(?:get|post|put|request)!?\b|\bFinch\b|:gen_tcp\b|:httpc\b|\bTesla\b"),
    of(SH, NETWORK, &["curl", "wget", "ssh", "scp", "socat", "netcat", "/dev/tcp", "/dev/udp", "nc -"], r"(?:^|[;&|(`\s])(?:curl|wget|nc|ncat|netcat|socat|ssh|scp)\s+[\w\x22'$-]|/dev/(?:tcp|udp)/"),
    of(C, PROCESS, &["system", "popen", "exec"], r"(?:^|[^.\w>])(?:system|popen|exec[lv]p?e?)\s*\("),
];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::policy::Rule;

    const RULE: Rule = Rule::NetworkOrProcessAdded;

    #[test]
    fn python() {
        check(
            RULE,
            "a.py",
            "
import subprocess
os.system(command)
os.execv(path, args)
run(command, shell=True)
socket.create_connection(address)
import requests
requests.get(url)
from urllib.request import urlopen
",
            true,
        );
        check(
            RULE,
            "a.py",
            "
import os
os.path.join(a, b)
process = system.start()
self.requests.append(request)
websocket_path = 3
executor.submit(run)
shell = None
# subprocess is not needed
from urllib.parse import urlparse
",
            false,
        );
    }

    #[test]
    fn javascript() {
        check(
            RULE,
            "a.ts",
            "
import { exec } from 'node:child_process'
const out = execSync('ls')
const answer = await fetch(url)
import http from 'node:http'
const net = require('net')
new WebSocket(url)
navigator.sendBeacon(url)
",
            true,
        );
        check(
            RULE,
            "a.ts",
            "
const found = pattern.exec(text)
this.fetch(url)
function prefetch(url) {
const url = 'https://example.com'
const net = gross - tax
Object.hasOwn(context, 'http')
// fetch(url) is slow
import { parse } from 'node:url'
",
            false,
        );
    }

    #[test]
    fn compiled_languages() {
        check(
            RULE,
            "a.rs",
            "Command::new(\"ls\")\nuse std::net::TcpStream;\nreqwest::get(url)\n",
            true,
        );
        check(
            RULE,
            "a.rs",
            "enum Command { New }\nlet command = new();\nuse std::net::IpAddr;\n",
            false,
        );
        check(
            RULE,
            "a.go",
            "exec.Command(\"ls\")\nimport \"os/exec\"\nnet.Dial(\"tcp\", a)\nhttp.Get(url)\n",
            true,
        );
        check(
            RULE,
            "a.go",
            "executor.Command()\nhttp.StatusOK\nhttp.Error(w, s, 500)\nnet.ParseIP(s)\n",
            false,
        );
        check(
            RULE,
            "A.java",
            "Runtime.getRuntime().exec(a);\nnew ProcessBuilder(a);\nnew Socket(host, 1);\n",
            true,
        );
        check(
            RULE,
            "A.java",
            "executor.execute(task);\nWebSocketSession session;\nprocess(builder);\n",
            false,
        );
        check(
            RULE,
            "A.cs",
            "Process.Start(info);\nnew HttpClient();\n",
            true,
        );
        check(
            RULE,
            "A.cs",
            "process.Restart();\nHttpContext context;\n",
            false,
        );
        check(RULE, "a.c", "system(line);\n", true);
        check(RULE, "a.c", "file_system(line);\nself->system(x);\n", false);
    }

    #[test]
    fn scripting_languages() {
        check(
            RULE,
            "a.rb",
            "Open3.capture2('ls')\nsystem('ls')\nsystem \"ls\"\nNet::HTTP.get(uri)\n",
            true,
        );
        check(
            RULE,
            "a.rb",
            "file_system('a')\nconfig.system = 1\nregexp.exec('a')\nURI.parse(url)\n",
            false,
        );
        check(
            RULE,
            "a.php",
            "shell_exec($line);\n$out = exec('ls');\ncurl_init($url);\n",
            true,
        );
        check(
            RULE,
            "a.php",
            "$db->exec($sql);\nfilesystem($x);\ncurl_close($handle);\n",
            false,
        );
        check(
            RULE,
            "a.ex",
            "System.cmd(\"ls\", [])\nHTTPoison.get(url)\n",
            true,
        );
        check(RULE, "a.ex", "System.get_env(\"A\")\nrequest(url)\n", false);
        check(
            RULE,
            "a.sh",
            "curl -fsS \"$url\"\n  wget $url\nexec 3<>/dev/tcp/host/80\n",
            true,
        );
        check(RULE, "a.sh", "echo done\nfunc -x\nsshd_config=3\n", false);
    }
}
