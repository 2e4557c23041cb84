<?php

// Drives PHPUnit 9: the guard's own suite of the wanted files, and a listener that sends what each test threw, as JSON lines over an inherited
// pipe. It runs before any file of the tree. PHP 7.3 and later.

namespace Koan;

const MAX_FRAMES = 50;
const SKIPPED_FOLDERS = ['vendor', 'node_modules', 'build', 'cache'];

/** What the guard asks for; and no trace of it left for the tests to find. */
final class Order
{
    public $runner = '';
    public $tree = '';
    public $all = false;
    public $chosen = false;
    public $files = [];
    public $tests = [];
    public $canary;
    public $seed;
    public $checkout;

    public static function read(string $path): Order
    {
        $order = new Order();
        $parts = \explode("\0", \file_get_contents($path));
        for ($n = 0; $n + 1 < \count($parts); $n += 2) {
            [$key, $value] = [$parts[$n], $parts[$n + 1]];
            if ($key === 'file') {
                $order->files[] = $value;
            } elseif ($key === 'test') {
                $order->tests[$value] = true;
            } elseif ($key === 'all' || $key === 'chosen') {
                $order->$key = true;
            } else {
                $order->$key = $key === 'seed' ? (int) $value : $value;
            }
        }
        return $order;
    }

    public function isCanary(string $text): bool
    {
        return $this->canary !== null && \strpos($text, $this->canary) !== false;
    }

    public function wants(string $id): bool
    {
        return !$this->chosen || isset($this->tests[$id]) || $this->isCanary($id);
    }

    /** The path inside the tree; null outside of it. */
    public function inside(?string $path): ?string
    {
        foreach (\array_unique([$this->tree, (string) \realpath($this->tree)]) as $root) {
            if ($path !== null && \strpos($path, "$root/") === 0) {
                return \substr($path, \strlen($root) + 1);
            }
        }
        return null;
    }

    public function holdsCanary(string $what): bool
    {
        return $this->canary !== null && $this->isCanary((string) @\file_get_contents("$this->tree/$what"));
    }

    /** Files of tests below a folder in a fixed order, without folders that hold nobody's tests. */
    public function testFiles(string $top): array
    {
        $found = $folders = [];
        foreach (@\scandir($top) ?: [] as $name) {
            $path = "$top/$name";
            if ($name[0] === '.' || \is_link($path)) {
                continue;
            }
            if (\is_dir($path)) {
                if (!\in_array($name, SKIPPED_FOLDERS, true)) {
                    $folders[] = $path;
                }
            } elseif (isTestFile($name)) {
                $found[] = $path;
            }
        }
        return \array_merge($found, ...\array_map([$this, 'testFiles'], $folders));
    }

    /** The canary's own file is always wanted. */
    public function ownFiles(): array
    {
        return \array_filter($this->canary === null ? [] : $this->testFiles($this->tree), function (string $file): bool {
            return $this->isCanary(\basename($file));
        });
    }

    /** The test files that the touched files stand for: themselves, or, for fixtures and helpers, the tests of the nearest folder with any. */
    public function wantedFiles(): array
    {
        $found = [];
        foreach ($this->files as $file) {
            $path = "$this->tree/$file";
            if (!\file_exists($path)) {
                continue;
            }
            $near = isTestFile(\basename($path)) ? [$path] : [];
            while ($near === [] && $path !== $this->tree) {
                $path = \dirname($path);
                $near = $this->testFiles($path);
            }
            $found = \array_merge($found, $near);
        }
        return \array_values(\array_unique(\array_merge($found, $this->ownFiles())));
    }
}

/** The pipe. Every line holds a number and a secret that is as old as the process, so that a line from anywhere else is told apart. */
final class Pipe
{
    private $stream;
    private $secret;
    private $pid;
    private $count = 0;

    public function __construct()
    {
        $fd = (int) \getenv('KOAN_REPORT_FD');
        \putenv('KOAN_REPORT_FD');
        unset($_ENV['KOAN_REPORT_FD'], $_SERVER['KOAN_REPORT_FD']);
        $this->stream = \fopen("php://fd/$fd", 'wb');
        \stream_set_write_buffer($this->stream, 0);
        $this->secret = \bin2hex(\random_bytes(16));
        $this->pid = \getmypid();
        $this->emit('start');
    }

    public function emit(string $event, array $facts = []): void
    {
        if (\getmypid() !== $this->pid) {
            return;
        }
        $line = ['secret' => $this->secret, 'n' => $this->count++, 'event' => $event] + $facts;
        $line = \json_encode($line, \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_UNESCAPED_SLASHES) . "\n";
        while ($line !== '') {
            $n = \fwrite($this->stream, $line);
            if ($n === false || $n === 0) {
                return;
            }
            $line = (string) \substr($line, $n);
        }
    }
}

/** Facts about what was thrown. It judges nothing. */
final class Describer
{
    private $order;

    public function __construct(Order $order)
    {
        $this->order = $order;
    }

    public function facts(\Throwable $thrown): array
    {
        $kind = self::kind($thrown);
        $frames = $this->frames($thrown);
        $near = $frames;
        if (\is_a($kind, \Error::class, true) || \is_a($kind, \BadMethodCallException::class, true)) {
            while ($near !== [] && \in_array($near[0][1], ['__call', '__callStatic'], true)) {
                \array_shift($near);
            }
        }
        // A call with too few arguments is thrown where the function begins.
        if ($kind === \ArgumentCountError::class && \strpos($thrown->getMessage(), ' passed in ') !== false) {
            \array_shift($near);
        }
        $places = \array_column($near, 0);
        $places = \array_values(\array_diff($places, ['other']));
        $kept = \array_filter($frames, function (array $frame): bool {
            return $frame[2] !== null;
        });
        return [
            'kind' => $kind,
            'bases' => \array_merge([$kind], \array_values(\class_parents($kind)), \array_values(\class_implements($kind))),
            'message' => oneLine(\str_replace($this->order->tree . '/', '', $thrown->getMessage())),
            'innermost' => $frames[0][0] ?? 'none',
            'nearest' => $places[0] ?? 'none',
            'owner' => null,
            'frames' => \array_map(function (array $frame): array {
                return ['file' => $frame[2], 'function' => $frame[1], 'line' => $frame[3]];
            }, \array_slice(\array_values($kept), 0, MAX_FRAMES)),
        ];
    }

    /** Whether what was thrown came by a function of that name. */
    public static function wentThrough(\Throwable $thrown, array $names): bool
    {
        foreach (self::trace($thrown) as $frame) {
            $class = $frame['class'] ?? '';
            if (\in_array($frame['function'], $names, true) && \is_a($class, \PHPUnit\Framework\TestCase::class, true)) {
                return true;
            }
        }
        return false;
    }

    /** PHPUnit wraps what is not its own, and lets go of it. */
    private static function kind(\Throwable $thrown): string
    {
        return $thrown instanceof \PHPUnit\Framework\ExceptionWrapper ? $thrown->getClassName() : \get_class($thrown);
    }

    public static function trace(\Throwable $thrown): array
    {
        return $thrown instanceof \PHPUnit\Framework\ExceptionWrapper ? $thrown->getSerializableTrace() : $thrown->getTrace();
    }

    /** Place, function, path in the tree and line; the innermost first. */
    private function frames(\Throwable $thrown): array
    {
        $trace = self::trace($thrown);
        $frames = [];
        $at = ['file' => $thrown->getFile(), 'line' => $thrown->getLine()];
        for ($n = 0; $n <= \count($trace); $n++) {
            $path = $this->order->inside($at['file'] ?? null);
            $path = $path !== null && \strpos($path, 'vendor/') === 0 ? null : $path;
            $place = $path === null ? 'other' : (isTestCode($path) ? 'test' : 'tree');
            $frames[] = [$place, (string) ($trace[$n]['function'] ?? ''), $path, (int) ($at['line'] ?? 0)];
            $at = $trace[$n] ?? [];
        }
        return $frames;
    }
}

/** What a whole run has in common. */
final class Session
{
    public $order;
    public $pipe;
    public $describer;
    public $anyFailed = false;
    /** Ids by the object of the test. */
    private $ids;

    public function __construct(Order $order)
    {
        $this->order = $order;
        $this->pipe = new Pipe();
        $this->describer = new Describer($order);
        $this->ids = new \SplObjectStorage();
    }

    public function notCollected(string $what, \Throwable $thrown): void
    {
        $this->anyFailed = true;
        $facts = ['what' => $what, 'holds_canary' => $this->order->holdsCanary($what), 'detail' => '', 'exc' => $this->describer->facts($thrown)];
        $this->pipe->emit('not_collected', $facts);
    }

    public function held(string $what, string $note): void
    {
        $this->anyFailed = true;
        $this->pipe->emit('held', ['what' => $what, 'outcome' => 'failed', 'exc' => null, 'note' => $note]);
    }

    public function phase(string $id, string $when, string $outcome, ?\Throwable $thrown, string $note = ''): void
    {
        $this->anyFailed = $this->anyFailed || $outcome === 'failed';
        $exc = $thrown === null ? null : $this->describer->facts($thrown);
        $facts = ['id' => $id, 'when' => $when, 'outcome' => $outcome, 'xfail' => false, 'exc' => $exc, 'note' => oneLine($note)];
        $this->pipe->emit('phase', $facts);
    }

    public function remember(object $test, string $id): void
    {
        $this->ids[$test] = $id;
    }

    public function id(object $test): ?string
    {
        return $this->ids->contains($test) ? $this->ids[$test] : null;
    }
}

function isTestFile(string $name): bool
{
    return \preg_match('/(?:Test|Tests|_test|_tests)\.php$|^[Tt]est_?\w*\.php$/', $name) === 1 && $name !== 'TestCase.php';
}

function isTestCode(string $path): bool
{
    $folders = \explode('/', $path);
    $name = \array_pop($folders);
    return isTestFile($name) || \substr($name, -12) === 'TestCase.php' || \array_intersect($folders, ['tests', 'test', 'Tests', 'Test']) !== [];
}

function oneLine(string $text): string
{
    return \substr(\trim((string) \preg_replace('/\s+/', ' ', $text)), 0, 400);
}

/** PHPUnit of the project's own packages, else the system's; and the project's classes. */
function load(Order $order): void
{
    $own = "$order->tree/vendor/autoload.php";
    if (\is_file($own)) {
        require_once $own;
    }
    if (!\class_exists(\PHPUnit\Runner\Version::class)) {
        // The working folder is the tree: a file of that name in it is not the system's.
        $paths = \explode(\PATH_SEPARATOR, (string) \get_include_path());
        $system = \array_filter($paths, function (string $path): bool {
            return \strpos($path, '/') === 0;
        });
        \set_include_path(\implode(\PATH_SEPARATOR, $system));
        require_once 'PHPUnit/Autoload.php';
        \set_include_path(\implode(\PATH_SEPARATOR, $paths));
    }
    if (!\is_file($own)) {
        autoload($order);
    }
}

/** What composer would make of the project's `composer.json` without any package. */
function autoload(Order $order): void
{
    $composer = \json_decode((string) @\file_get_contents("$order->tree/composer.json"), true);
    $prefixes = $files = [];
    foreach (['autoload', 'autoload-dev'] as $key) {
        $said = $composer[$key] ?? [];
        foreach (['psr-4' => true, 'psr-0' => false] as $kind => $cuts) {
            foreach ($said[$kind] ?? [] as $prefix => $folders) {
                foreach ((array) $folders as $folder) {
                    $prefixes[] = [$prefix, \rtrim("$order->tree/$folder", '/'), $cuts];
                }
            }
        }
        $files = \array_merge($files, $said['files'] ?? []);
    }
    \spl_autoload_register(function (string $class) use ($prefixes): void {
        foreach ($prefixes as [$prefix, $folder, $cuts]) {
            if ($prefix === '' || \strpos($class, $prefix) === 0) {
                $name = $cuts ? \substr($class, \strlen($prefix)) : \str_replace('_', '/', $class);
                $path = $folder . '/' . \str_replace('\\', '/', $name) . '.php';
                if (\is_file($path)) {
                    require_once $path;
                    return;
                }
            }
        }
    });
    foreach ($files as $file) {
        require_once "$order->tree/$file";
    }
}

/** Classes and functions of the framework that stand in the tree: whoever defines them first is believed by PHP. */
function patched(Session $session): void
{
    $isOwn = function (?string $file) use ($session): bool {
        $path = $session->order->inside($file);
        return $path !== null && \strpos($path, 'vendor/') !== 0;
    };
    $isFramework = function (string $name): bool {
        return \preg_match('/^(?:PHPUnit|SebastianBergmann|PhpUnit)\\\\/i', $name) === 1;
    };
    foreach (\array_merge(\get_declared_classes(), \get_declared_traits(), \get_declared_interfaces()) as $class) {
        $reflection = new \ReflectionClass($class);
        if ($isFramework($class) && $reflection->isUserDefined() && $isOwn($reflection->getFileName() ?: null)) {
            $session->pipe->emit('patched', ['name' => $class, 'file' => $session->order->inside($reflection->getFileName())]);
        }
        if (!\is_subclass_of($class, \PHPUnit\Framework\TestCase::class)) {
            continue;
        }
        // A base class of production's can change what a test means.
        foreach ($reflection->getMethods() as $method) {
            $file = $method->getFileName() ?: null;
            $isJudge = \preg_match('/^(?:assert\w+|fail|run|runBare|runTest|expect\w+|that|getStatus|verifyMockObjects)$/', $method->name) === 1;
            if ($isJudge && $isOwn($file) && !isTestCode((string) $session->order->inside($file)) && \method_exists(\PHPUnit\Framework\TestCase::class, $method->name)) {
                $session->pipe->emit('patched', ['name' => "$class::$method->name", 'file' => $session->order->inside($file)]);
            }
        }
    }
    foreach (\get_defined_functions()['user'] as $function) {
        $file = (new \ReflectionFunction($function))->getFileName() ?: null;
        if ($isFramework($function) && $isOwn($file)) {
            $session->pipe->emit('patched', ['name' => $function, 'file' => $session->order->inside($file)]);
        }
    }
}

function main(): void
{
    $order = Order::read($_SERVER['argv'][1]);
    $_SERVER['argv'] = $GLOBALS['argv'] = ['phpunit'];
    $_SERVER['argc'] = $GLOBALS['argc'] = 1;
    $session = new Session($order);
    \chdir($order->tree);
    load($order);
    if (\version_compare(\PHPUnit\Runner\Version::id(), '9.0', '<') || \version_compare(\PHPUnit\Runner\Version::id(), '10.0', '>=')) {
        \fwrite(\STDERR, 'koan-guard drives PHPUnit 9; this is PHPUnit ' . \PHPUnit\Runner\Version::id() . "\n");
        exit(2);
    }
    // Declared only now: their parents come from the project's packages or the system's.
    require __DIR__ . '/koan_phpunit_9.php';
    (new Command($session))->run(['phpunit', '--no-interaction', '--no-coverage', '--no-logging', '--do-not-cache-result', '--colors=never'], false);
    patched($session);
    $status = $session->anyFailed ? 1 : 0;
    $session->pipe->emit('end', ['status' => $status]);
    exit($status);
}

main();
