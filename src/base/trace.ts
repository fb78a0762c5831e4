// Tracepoints have Linux's names and fields (DESIGN.md, decision 17). Off, one costs one branch:
//   if (trace.on) trace.emit('mm_page_alloc', { pfn, order, … })

export type TraceFields = Readonly<Record<string, number | string | boolean>>
export type TraceSink = (name: string, fields: TraceFields) => void

export class Trace {
  on = false
  #sink: TraceSink | null = null
  attach(sink: TraceSink | null): void {
    this.#sink = sink
    this.on = sink !== null
  }
  emit(name: string, fields: TraceFields): void {
    this.#sink?.(name, fields)
  }
}
