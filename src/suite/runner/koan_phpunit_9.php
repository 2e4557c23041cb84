<?php

// PHPUnit 9's side of `koan_phpunit.php`: which tests run, in which order, and what is told of each.

namespace Koan;

use PHPUnit\Framework\AssertionFailedError;
use PHPUnit\Framework\ErrorTestCase;
use PHPUnit\Framework\Test;
use PHPUnit\Framework\TestCase;
use PHPUnit\Framework\TestListener;
use PHPUnit\Framework\TestListenerDefaultImplementation;
use PHPUnit\Framework\TestSuite;
use PHPUnit\Framework\Warning;
use PHPUnit\Framework\WarningTestCase;
use PHPUnit\Runner\TestSuiteSorter;

final class Listener implements TestListener
{
    use TestListenerDefaultImplementation;

    private $session;
    /** The phase that was told of the running test. */
    private $told = false;
    private $note = '';

    public function __construct(Session $session)
    {
        $this->session = $session;
    }

    public function startTest(Test $test): void
    {
        $this->told = false;
        $this->note = '';
        $this->session->pipe->emit('begin', ['id' => $this->id($test)]);
    }

    public function addError(Test $test, \Throwable $t, float $time): void
    {
        $this->failed($test, $t);
    }

    public function addFailure(Test $test, AssertionFailedError $e, float $time): void
    {
        $this->failed($test, $e);
    }

    public function addWarning(Test $test, Warning $e, float $time): void
    {
        // What PHPUnit has to say about its own use, after a test that passed.
        if (Describer::wentThrough($e, ['runTest'])) {
            $this->failed($test, $e);
        } else {
            $this->note = 'warning: ' . $e->getMessage();
        }
    }

    public function addIncompleteTest(Test $test, \Throwable $t, float $time): void
    {
        $this->tell($test, 'call', 'skipped', $t, $t->getMessage());
    }

    public function addSkippedTest(Test $test, \Throwable $t, float $time): void
    {
        $this->tell($test, 'call', 'skipped', $t, $t->getMessage());
    }

    public function addRiskyTest(Test $test, \Throwable $t, float $time): void
    {
        $this->note = 'risky: ' . $t->getMessage();
    }

    public function endTest(Test $test, float $time): void
    {
        if (!$this->told) {
            $this->tell($test, 'call', 'passed', null, $this->note);
        }
        $this->session->pipe->emit('finish', ['id' => $this->id($test)]);
    }

    private function failed(Test $test, \Throwable $thrown): void
    {
        // Expectations of mocks are verified after the test.
        if (Describer::wentThrough($thrown, ['runTest', 'verifyMockObjects']) || Describer::trace($thrown) === []) {
            $when = 'call';
        } else {
            $when = Describer::wentThrough($thrown, ['tearDown', 'tearDownAfterClass', 'assertPostConditions']) ? 'teardown' : 'setup';
        }
        $this->tell($test, $when, 'failed', $thrown);
    }

    private function tell(Test $test, string $when, string $outcome, ?\Throwable $thrown, string $note = ''): void
    {
        $this->told = true;
        $this->session->phase($this->id($test), $when, $outcome, $thrown, $note);
    }

    private function id(Test $test): string
    {
        return $this->session->id($test) ?? \get_class($test);
    }
}

/** The suite of the wanted files, and nothing that PHPUnit would look for itself. */
final class Plan
{
    private $session;
    private $order;
    private $taken = [];
    private $excluded = [];
    private $included = [];

    public function __construct(Session $session, array $arguments)
    {
        $this->session = $session;
        $this->order = $session->order;
        $configuration = $arguments['configurationObject'] ?? null;
        if ($configuration !== null) {
            $this->included = $configuration->groups()->include()->asArrayOfStrings();
            $this->excluded = $configuration->groups()->exclude()->asArrayOfStrings();
        }
    }

    public function suite(array $files): TestSuite
    {
        $root = new TestSuite();
        $root->setName('koan');
        $suites = [];
        foreach ($files as $file) {
            foreach ($this->classes($file) as $class) {
                $suite = new TestSuite($class);
                $this->keepWanted($suite, $this->order->inside($file) ?? $file);
                if ($suite->tests() !== []) {
                    $suites[] = $suite;
                }
            }
        }
        $root->setTests($suites);
        $this->sort($root);
        return $root;
    }

    /** As PHPUnit chooses: the class that is called as its file is, else every test case in it; and the canary's. */
    private function classes(string $file): array
    {
        try {
            \PHPUnit\Util\FileLoader::checkAndLoad($file);
        } catch (\Throwable $thrown) {
            $this->session->notCollected($this->order->inside($file) ?? $file, $thrown);
            return [];
        }
        $real = \realpath($file);
        $found = $named = [];
        foreach (\get_declared_classes() as $name) {
            $class = new \ReflectionClass($name);
            if ($class->getFileName() !== $real || $class->isAbstract() || !$class->isSubclassOf(TestCase::class)) {
                continue;
            }
            $found[] = $class;
            if ($this->order->isCanary($name) || \preg_match('/(?:^|_)' . \preg_quote(\basename($file, '.php'), '/') . '$/', $class->getShortName()) === 1) {
                $named[] = $class;
            }
        }
        $isNamed = \count(\array_filter($named, function (\ReflectionClass $class): bool {
            return !$this->order->isCanary($class->getName());
        })) > 0;
        return $isNamed ? $named : $found;
    }

    private function keepWanted(TestSuite $suite, string $file): void
    {
        $kept = [];
        foreach ($suite->tests() as $test) {
            if ($test instanceof TestSuite) {
                $this->keepWanted($test, $file);
                if ($test->tests() !== []) {
                    $kept[] = $test;
                }
            } elseif ($test instanceof ErrorTestCase) {
                $this->session->held("$file::" . $suite->getName(), $test->getMessage());
            } elseif ($test instanceof WarningTestCase) {
                // A class without tests, or a method that cannot be one.
                continue;
            } elseif ($test instanceof TestCase && $this->isKept($test, $file)) {
                $kept[] = $test;
            }
        }
        $suite->setTests($kept);
    }

    private function isKept(TestCase $test, string $file): bool
    {
        $id = "$file::" . \get_class($test) . '::' . $test->getName();
        $n = $this->taken[$id] = ($this->taken[$id] ?? 0) + 1;
        $id = $n === 1 ? $id : "$id #$n";
        if (!$this->order->wants($id)) {
            return false;
        }
        $groups = $test->getGroups();
        $isLeftOut = \array_intersect($groups, $this->excluded) !== [] || ($this->included !== [] && \array_intersect($groups, $this->included) === []);
        if ($isLeftOut) {
            $this->session->pipe->emit('left_out', ['id' => $id, 'detail' => 'left out by its groups']);
            return false;
        }
        $this->session->remember($test, $id);
        $this->session->pipe->emit('plan', ['id' => $id]);
        return true;
    }

    /** The canary's class last, whatever the order. */
    private function sort(TestSuite $root): void
    {
        if ($this->order->seed !== null && $root->tests() !== []) {
            \mt_srand($this->order->seed);
            (new TestSuiteSorter())->reorderTestsInSuite($root, TestSuiteSorter::ORDER_RANDOMIZED, true, TestSuiteSorter::ORDER_DEFAULT);
        }
        $last = $others = [];
        foreach ($root->tests() as $suite) {
            if ($this->order->isCanary($suite->getName())) {
                $last[] = $suite;
            } else {
                $others[] = $suite;
            }
        }
        $root->setTests(\array_merge($others, $last));
    }
}

/** PHPUnit's command, which reads the configuration and loads the bootstrap file, with a suite and a listener of the guard's own. */
final class Command extends \PHPUnit\TextUI\Command
{
    private $session;

    public function __construct(Session $session)
    {
        $this->session = $session;
    }

    protected function handleCustomTestSuite(): void
    {
        // So that PHPUnit looks for no files by itself: one broken file would end the run.
        $this->arguments['test'] = new TestSuite();
    }

    protected function handleArguments(array $argv): void
    {
        parent::handleArguments($argv);
        $order = $this->session->order;
        $files = $order->all ? \array_merge($this->configured(), $order->ownFiles()) : $order->wantedFiles();
        $plan = new Plan($this->session, $this->arguments);
        $this->arguments['test'] = $plan->suite(\array_values(\array_unique($files)));
        $this->arguments['listeners'][] = new Listener($this->session);
        foreach (['Defect', 'Error', 'Failure', 'Incomplete', 'Risky', 'Skipped', 'Warning'] as $on) {
            $this->arguments["stopOn$on"] = false;
        }
        $this->arguments['executionOrder'] = TestSuiteSorter::ORDER_DEFAULT;
        $this->arguments['executionOrderDefects'] = TestSuiteSorter::ORDER_DEFAULT;
        $this->arguments['resolveDependencies'] = true;
        // The plan knows the groups already.
        $this->arguments['groups'] = $this->arguments['excludeGroups'] = [];
        unset($this->arguments['repeat']);
    }

    /** The files of the configuration's suites; without any, those that stand where tests usually do. */
    private function configured(): array
    {
        $order = $this->session->order;
        $files = [];
        $configuration = $this->arguments['configurationObject'] ?? null;
        foreach ($configuration === null ? [] : $configuration->testSuite() as $suite) {
            $exclude = [];
            foreach ($suite->exclude() as $file) {
                $exclude[] = $file->path();
            }
            foreach ($suite->directories() as $directory) {
                $found = (new \SebastianBergmann\FileIterator\Facade())->getFilesAsArray($directory->path(), $directory->suffix(), $directory->prefix(), $exclude);
                $files = \array_merge($files, $found);
            }
            foreach ($suite->files() as $file) {
                $files[] = $file->path();
            }
        }
        $files = \array_filter($files, function (string $file): bool {
            return \substr($file, -4) === '.php';
        });
        if ($files === []) {
            foreach (['tests', 'test', 'Tests'] as $folder) {
                $files = \array_merge($files, $order->testFiles("$order->tree/$folder"));
            }
        }
        \sort($files);
        return $files;
    }
}
