# What follows drives Minitest and test-unit: every class runs as its framework runs it, with a wrapper around each test method that sees
# the raw exception first.

module KoanMinitest
  # Which tests of a class are to run. Minitest asks it for a match; it is no pattern.
  class Filter
    def initialize(names)
      @names = names.each_with_object({}) { |name, all| all[name] = true }
    end

    def =~(_other)
      nil
    end

    def ===(name)
      @names.key?(name)
    end
  end

  # Thrown in the place of a `SystemExit` or a signal, which would end the whole run.
  class Left < StandardError; end

  # What the wrappers saw of the test that runs.
  class Watch
    attr_accessor :begun, :raised

    def clear
      @begun = 0
      @raised = []
    end

    # `assert_raises` and its kin fail by an assertion whatever else was raised; that is what matters then.
    def underlying(error)
      cause = error.cause
      return error if cause.nil? || !error.class.to_s.match?(/\A(?:Minitest::Assertion|Test::Unit::AssertionFailedError)\z/)

      error.message.to_s.include?(cause.class.to_s) ? cause : error
    end

    def wrap(klass, names)
      watch = self
      klass.prepend(Module.new do
        names.each do |name|
          takes_none = klass.instance_method(name).arity.zero?
          define_method(name) do |*args, &block|
            watch.begun += 1
            begin
              takes_none ? super(&block) : super(*args, &block)
            rescue Exception => error # rubocop:disable Lint/RescueException
              watch.raised << watch.underlying(error)
              raise Left, "it left the test by `#{error.class}`", error.backtrace if error.is_a?(SystemExit) || error.is_a?(SignalException)

              raise
            end
          end
        end
      end)
    end
  end

  # Says what became of a test, by what the framework says and by what was seen.
  class Teller
    def initialize(session, watch, assertion, skips)
      @session = session
      @watch = watch
      @assertion = assertion
      @skips = skips
    end

    def tell(id, errors)
      raised = @watch.raised.last
      return @session.phase(id, "call", "skipped", error: raised || errors.first) if !errors.empty? && errors.all? { |error| skip?(error) }

      # More than one try, and none of them is forgotten.
      (@watch.raised[0...-1] || []).each { |error| @session.phase(id, "call", "failed", error: error) }
      return @session.phase(id, "call", errors.empty? ? "passed" : "failed", error: raised) if raised
      return @session.phase(id, "call", "passed") if errors.empty? && @watch.begun.positive?
      return @session.phase(id, "call", "passed", error: RuntimeError.new("the test method never ran")) if errors.empty?

      # Expectations of mocks are verified after the test.
      failed = errors.find { |error| error.is_a?(@assertion) && @watch.begun.positive? }
      at = failed ? "call" : @watch.begun.positive? ? "teardown" : "setup"
      @session.phase(id, at, "failed", error: failed || errors.first)
    end

    private

    def skip?(error)
      @skips.any? { |kind| error.is_a?(kind) }
    end
  end

  # Where a test stands: the file of its method, or of the constant of its class; never a line.
  class Names
    def initialize(session)
      @session = session
      @taken = Hash.new(0)
    end

    def id(klass, name, shown)
      file = file(klass, klass.instance_method(name))
      # Tests that are made from files may be called by where those are.
      id = @session.order.without_tree("#{file}::#{klass.name || "anonymous"}##{shown}")
      n = (@taken[id] += 1)
      n == 1 ? id : "#{id} ##{n}"
    end

    private

    def file(klass, method)
      location = method.source_location if method.owner.equal?(klass)
      unless location && @session.describer.inside?(location)
        constant = klass.name.to_s
        location = constant.match?(/\A[A-Z]\w*(?:::[A-Z]\w*)*\z/) ? Object.const_source_location(constant) : nil
        location = method.source_location if location.nil? || location.empty?
      end
      location ? @session.relative(File.expand_path(location[0], @session.order.tree)) : "?"
    end
  end

  # The part of a reporter that `Minitest::Runnable.run` needs.
  class Reporter
    def initialize(plan, watch, session)
      @plan = plan
      @watch = watch
      @session = session
      @teller = Teller.new(session, watch, ::Minitest::Assertion, [::Minitest::Skip])
    end

    def prerecord(klass, name)
      @watch.clear
      id = @plan[[klass, name.to_s]]
      @session.pipe.emit("begin", "id" => id) if id
    end

    def record(result)
      id = @plan[[@current, result.name.to_s]]
      return unless id

      @teller.tell(id, result.failures.map { |failure| failure.respond_to?(:error) ? failure.error : failure })
      @session.pipe.emit("finish", "id" => id)
    end

    attr_writer :current

    def passed?
      true
    end

    def reporters
      []
    end
  end

  # Minitest: what the classes of the tree hold, and how they run.
  class Suite
    FRAMEWORK = /\AMinitest::(?:Test|Spec|Benchmark|Unit::TestCase|BenchSpec)\z/.freeze

    def initialize(session)
      @session = session
      @order = session.order
      ::Minitest.class_variable_set(:@@installed_at_exit, true)
      ENV["MT_CPU"] = ENV["N"] = ENV["PARALLEL_WORKERS"] = "1"
      # One after another, so that a test's exception is its own.
      ::Minitest::Test.define_singleton_method(:parallelize_me!) { nil }
      ::Minitest.seed = @order.seed || 0 if ::Minitest.respond_to?(:seed=)
      # Only where somebody asks for it: it brings methods of its own to every object.
      require "test/unit" if session.anybody_says?("test/unit", "Test::Unit")
      framework = ObjectSpace.each_object(Module).select { |mod| (mod.name || "").match?(/\A(?:Minitest|Test::Unit)(?:::|\z)/) }
      session.foundation.add(framework)
    end

    def collect(names)
      @plan = {}
      test_classes.each do |klass|
        srand(@order.seed || 0)
        # Specs number their tests; a number would name another test as soon as one is added above it.
        klass.runnable_methods.map(&:to_s).sort.each do |name|
          @plan[[klass, name]] = names.id(klass, name, name.sub(/\Atest_\d{4,}_/, ""))
        end
      end
      @plan.select! { |_, id| @order.wanted?(id) }
    end

    # What a class holds that Minitest does not know any more.
    def left_out(names)
      lost = ObjectSpace.each_object(Class).select { |klass| klass < ::Minitest::Test } - ::Minitest::Runnable.runnables
      lost = lost.reject { |klass| klass.singleton_class? || klass.name.nil? || klass.name.match?(FRAMEWORK) }
      ids = lost.sort_by(&:name).flat_map { |klass| klass.runnable_methods.map { |name| names.id(klass, name, name) } }
      ids.select { |id| @order.wanted?(id) }
    end

    def classes
      all = @plan.keys.map(&:first).uniq.sort_by { |klass| @plan.find { |(owner, _), _| owner.equal?(klass) }[1] }
      all = all.shuffle(random: Random.new(@order.seed)) if @order.seed
      others, last = all.partition { |klass| @plan.none? { |(owner, _), id| owner.equal?(klass) && @order.canary?(id) } }
      others + last
    end

    def plan_ids
      @plan.values
    end

    def run
      watch = Watch.new
      watch.clear
      reporter = Reporter.new(@plan, watch, @session)
      classes.each do |klass|
        names = @plan.keys.select { |owner, _| owner.equal?(klass) }.map(&:last)
        watch.wrap(klass, names)
        filter = Filter.new(names)
        reporter.current = klass
        srand(@order.seed || 0)
        run_class(klass, reporter, filter)
      end
    end

    private

    def test_classes
      ::Minitest::Runnable.runnables.reject { |klass| klass.name.to_s.match?(FRAMEWORK) }
    end

    def run_class(klass, reporter, filter)
      options = { filter: filter, include: filter, seed: @order.seed || 0, io: $stdout }
      klass.respond_to?(:run_suite) ? klass.run_suite(reporter, options) : klass.run(reporter, options)
    rescue Exception => error # rubocop:disable Lint/RescueException
      @session.held("#{klass.name} as a whole", error)
    end
  end

  # test-unit: the same for its classes.
  class UnitSuite
    def initialize(session)
      @session = session
      @order = session.order
      require "test/unit/testresult"
    end

    def collect(names)
      @plan = {}.compare_by_identity
      @suites = ::Test::Unit::TestCase::DESCENDANTS.map do |klass|
        suite = klass.suite
        suite.tests.each do |test|
          id = names.id(klass, test.method_name, test.local_name)
          @plan[test] = id if @order.wanted?(id)
        end
        suite.delete_tests(suite.tests.reject { |test| @plan.key?(test) })
        suite
      end
      @suites.reject! { |suite| suite.tests.empty? }
    end

    def plan_ids
      @plan.values
    end

    def run
      watch = Watch.new
      watch.clear
      teller = Teller.new(@session, watch, ::Test::Unit::AssertionFailedError, [::Test::Unit::PendedError, ::Test::Unit::OmittedError])
      faults = []
      result = ::Test::Unit::TestResult.new
      result.add_listener(::Test::Unit::TestResult::FAULT) { |fault| faults << error_of(fault) unless fault.is_a?(::Test::Unit::Notification) }
      ordered.each do |suite|
        watch.wrap(suite.test_case, suite.tests.map { |test| test.method_name.to_sym }.uniq)
        suite.tests.shuffle!(random: Random.new(@order.seed)) if @order.seed
        run_suite(suite, result, watch, faults, teller)
      end
    end

    private

    def ordered
      all = @suites.sort_by { |suite| suite.name.to_s }
      all = all.shuffle(random: Random.new(@order.seed)) if @order.seed
      others, last = all.partition { |suite| suite.tests.none? { |test| @order.canary?(@plan[test]) } }
      others + last
    end

    def run_suite(suite, result, watch, faults, teller)
      suite.run(result) do |event, test|
        if event == ::Test::Unit::TestCase::STARTED_OBJECT
          watch.clear
          held(suite, faults)
          @session.pipe.emit("begin", "id" => @plan[test])
        elsif event == ::Test::Unit::TestCase::FINISHED_OBJECT
          teller.tell(@plan[test], faults.dup)
          faults.clear
          @session.pipe.emit("finish", "id" => @plan[test])
        end
      end
      held(suite, faults)
    rescue Exception => error # rubocop:disable Lint/RescueException
      @session.held("#{suite.name} as a whole", error)
    end

    # What `startup` and `shutdown` raised.
    def held(suite, faults)
      faults.each { |error| @session.held("#{suite.name} as a whole", error) }
      faults.clear
    end

    def error_of(fault)
      return fault.exception if fault.respond_to?(:exception) && fault.exception.is_a?(Exception)

      kind = { ::Test::Unit::Pending => ::Test::Unit::PendedError, ::Test::Unit::Omission => ::Test::Unit::OmittedError }
      (kind.find { |shown, _| fault.is_a?(shown) } || [nil, ::Test::Unit::AssertionFailedError])[1].new(fault.message.to_s)
    end
  end

  # Helpers that no test loads by itself, because the project's command does: `-rhelper` in the `Rakefile`, which no judged change may touch,
  # or a `require_relative` of the script among the tests that starts them.
  def self.helpers(order)
    told = order.text("Rakefile").scan(/["'\s]-r\s*((?:test_|minitest_)?helper)\b/).flatten
    named = told.flat_map { |name| ["test/lib/#{name}.rb", "test/#{name}.rb"] }
    %w[test/run.rb test/run_test.rb test/run-test.rb].each do |script|
      named += order.text(script).scan(/^\s*require_relative[\s(]+["']([\w\/.]*helper)(?:\.rb)?["']/).flatten.map { |name| "test/#{name}.rb" }
    end
    named.uniq.map { |name| order.path(name) }.select { |path| File.file?(path) }
  end

  def self.main
    session = KoanReport::Session.new
    session.use_bundle
    require "minitest"
    require "minitest/spec"
    require "minitest/mock"
    suite = Suite.new(session)
    Object.send(:remove_const, :KoanReport)
    Object.send(:remove_const, :KoanMinitest)
    session.enter_tree(%w[lib test test/lib spec])
    order = session.order
    helpers(order).each { |path| session.load_helper(path) }
    # Helpers that the project's command loads may well have assertions of their own.
    session.foundation.settle if session.only_helpers?
    files = order.all ? %w[test spec tests].flat_map { |folder| order.test_files(order.path(folder)) } : order.wanted_files
    files.each { |file| session.load_tests(file) }
    names = Names.new(session)
    suites = [suite]
    suites << UnitSuite.new(session) if defined?(::Test::Unit::TestCase)
    suites.each { |each| each.collect(names) }
    suite.left_out(names).each { |id| session.pipe.emit("left_out", "id" => id, "detail" => "its class was taken from Minitest") }
    suites.each { |each| each.plan_ids.each { |id| session.pipe.emit("plan", "id" => id) } }
    suites.each(&:run)
    session.finish
  end
end

KoanMinitest.main
