// The part of the vendored file that the console uses, for the type checker: it would read the minified code otherwise.
export function html(strings: TemplateStringsArray, ...values: any[]): any;
export function render(element: any, parent: Element): void;
export function useEffect(effect: () => any, inputs?: any[]): void;
export function useLayoutEffect(effect: () => any, inputs?: any[]): void;
export function useMemo<T>(make: () => T, inputs?: any[]): T;
export function useRef<T = any>(value: T): { current: any };
export function useState<T = any>(value: T | (() => T)): [any, (value: any) => void];
